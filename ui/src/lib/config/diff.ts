/** Two texts line by line. */
export interface DiffLine {
  kind: "same" | "add" | "remove" | "gap";
  text: string;
}

const CONTEXT = 3;

/** The changed lines with a few around them; a `gap` stands for what is left out. */
export function diffLines(before: string, after: string): DiffLine[] {
  return fold(align(split(before), split(after)));
}

/** Numbers, from 1, of the lines of `after` that `before` does not have there. */
export function changedLines(before: string, after: string): number[] {
  let line = 0;
  return align(split(before), split(after)).flatMap(({ kind }) => {
    if (kind !== "remove") line += 1;
    return kind === "add" ? [line] : [];
  });
}

/** What a gateway wrote as a unified diff. */
export function readUnified(text: string): DiffLine[] {
  const lines = split(text).filter((line) => !line.startsWith("---") && !line.startsWith("+++") && !line.startsWith("\\"));
  const read = lines.map((line): DiffLine => {
    if (line.startsWith("@@")) return { kind: "gap", text: "" };
    const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "remove" : "same";
    return { kind, text: line.slice(1) };
  });
  return read[0]?.kind === "gap" ? read.slice(1) : read;
}

function split(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

function align(before: string[], after: string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const same = (text: string): DiffLine => ({ kind: "same", text });
  return [
    ...before.slice(0, start).map(same),
    ...shortest(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(same),
  ];
}

/** Past this many pairs of lines the middle is shown as a whole, instead of making the page wait. */
const MOST_PAIRS = 4_000_000;

/** By the longest common subsequence. */
function shortest(a: string[], b: string[]): DiffLine[] {
  const removed = a.map((text): DiffLine => ({ kind: "remove", text }));
  const added = b.map((text): DiffLine => ({ kind: "add", text }));
  if (a.length === 0 || b.length === 0 || a.length * b.length > MOST_PAIRS) return [...removed, ...added];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        a[i] === b[j] ? common[(i + 1) * width + j + 1]! + 1 : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i]! });
      i += 1;
      j += 1;
    } else if (common[(i + 1) * width + j]! >= common[i * width + j + 1]!) lines.push(removed[i++]!);
    else lines.push(added[j++]!);
  }
  return [...lines, ...removed.slice(i), ...added.slice(j)];
}

function fold(lines: DiffLine[]): DiffLine[] {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ kind }) => kind !== "same"));
  return lines.flatMap((line, at): DiffLine[] => {
    if (near[at]) return [line];
    return near[at - 1] && near.indexOf(true, at) > 0 ? [{ kind: "gap", text: "" }] : [];
  });
}
