/** What is asked about, as rows: nothing of it is left out, and nothing is joined that is apart. */
import type { ApprovalAction } from "$lib/gateway/wire";
import { t } from "$lib/strings";
import { countChange, readChange, type ChangeLine } from "./change";

export interface BlockRow {
  kind: "argument" | "line" | ChangeLine["kind"];
  /** Beside the row: a number or a sign. */
  gutter: string;
  /** What a screen reader says of the row before its text. */
  name: string;
  text: string;
}
export interface Block {
  title: string;
  rows: BlockRow[];
  /** In words, where there is more to say of it. */
  note?: string;
}

/** Kinds whose path is a folder. */
const OF_FOLDERS: readonly string[] = ["list", "search"];
const SIGNS = { add: "+", remove: "−", same: "", gap: "⋯", note: "" };

export function blocksOf(action: ApprovalAction): Block[] {
  const { argv, script, diff, path, url } = action;
  const blocks: Block[] = [];
  const plain = (title: string, text: string): Block => ({
    title,
    rows: text.split("\n").map((text) => ({ kind: "line", gutter: "", name: "", text })),
  });
  if (argv.length > 0) blocks.push({ title: t.approvals.what.exec, rows: argumentRows(action) });
  if (script !== undefined) blocks.push({ title: t.approvals.what.script, rows: scriptRows(script) });
  if (url !== undefined) blocks.push(plain(t.approvals.what.fetch, url));
  if (path !== undefined) blocks.push(plain(OF_FOLDERS.includes(action.kind) ? t.approvals.folder : t.approvals.file, path));
  if (diff !== undefined) {
    const lines = readChange(diff);
    const { added, removed } = countChange(lines);
    blocks.push({ title: t.approvals.what.write, rows: changeRows(lines), note: t.approvals.changeCount(added, removed) });
  }
  return blocks;
}

/** What is run, not what it is called. */
function argumentRows({ argv, program }: ApprovalAction): BlockRow[] {
  return argv.map((text, at) => ({
    kind: "argument",
    gutter: String(at),
    name: at === 0 ? t.approvals.program : t.approvals.argument(at),
    text: at === 0 ? (program ?? text) : text,
  }));
}

/** A break at the end leaves an empty line, so that two scripts never look the same. */
function scriptRows(script: string): BlockRow[] {
  return script.split("\n").map((text, at) => ({ kind: "line", gutter: String(at + 1), name: t.approvals.line(at + 1), text }));
}

/** Each has a name: without one, a line could begin with the name of another kind. */
function changeRows(lines: ChangeLine[]): BlockRow[] {
  const { added, removed, unchanged, leftOut, beside } = t.approvals;
  const names: Record<ChangeLine["kind"], string> = { add: added, remove: removed, same: unchanged, gap: leftOut, note: beside };
  return lines.map(({ kind, text }) => ({ kind, gutter: SIGNS[kind], name: names[kind], text }));
}
