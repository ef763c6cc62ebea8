/** A change of a file, read from a unified diff so that no line of it can be taken for anything else. */
export interface ChangeLine {
  kind: "add" | "remove" | "same" | "gap" | "note";
  text: string;
}

const HUNK = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/;

/** The gateway escapes a line of spaces alone, and so the sign of an empty line. */
const EMPTY = "\\u{20}";

/**
 * Inside a hunk the numbers in its head say how many lines belong to it, so a removed `-- x` is no head of a file. What
 * does not fit is shown as it came, never left out.
 */
export function readChange(diff: string): ChangeLine[] {
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const read: ChangeLine[] = [];
  let [before, after, hunks] = [0, 0, 0];
  for (const line of lines) {
    const inside = before > 0 || after > 0;
    const sign = line[0];
    if (inside && sign === "-") {
      before -= 1;
      read.push({ kind: "remove", text: line.slice(1) });
    } else if (inside && sign === "+") {
      after -= 1;
      read.push({ kind: "add", text: line.slice(1) });
    } else if (inside && (sign === " " || line === "")) {
      before -= 1;
      after -= 1;
      read.push({ kind: "same", text: line.slice(1) });
    } else if (inside && line.startsWith(EMPTY)) {
      before -= 1;
      after -= 1;
      read.push({ kind: "same", text: line.slice(EMPTY.length) });
    } else {
      const hunk = HUNK.exec(line);
      if (hunk) {
        before = Number(hunk[1] ?? 1);
        after = Number(hunk[2] ?? 1);
        hunks += 1;
        const place = line.slice(hunk[0].length);
        if (hunks > 1 || place) read.push({ kind: "gap", text: place });
      } else read.push({ kind: "note", text: line });
    }
  }
  return read;
}

export function countChange(lines: ChangeLine[]): { added: number; removed: number } {
  const of = (wanted: ChangeLine["kind"]): number => lines.filter(({ kind }) => kind === wanted).length;
  return { added: of("add"), removed: of("remove") };
}
