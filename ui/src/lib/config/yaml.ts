/** The text of the configuration: what it says, and where. */
import { isAlias, isCollection, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type Pair, type YAMLMap } from "yaml";
import type { Path } from "./paths";

export interface TextIssue {
  from: number;
  to: number;
  line: number;
  column: number;
  message: string;
}
export interface Parsed {
  value: unknown;
  issues: TextIssue[];
  /** Where the value of a path is written, or the nearest that contains it. */
  locate: (path: Path) => { from: number; to: number } | undefined;
}

/** Where the text is written in a way that only the person can change. */
export class NotEditable extends Error {}

export type Place = [from: number, to: number, ...rest: number[]];
export type Entry = Pair<Node, Node | null>;

export function parse(text: string): Parsed {
  const doc = read(text);
  const issues = doc.errors.map(({ pos, linePos, message }) => ({
    from: pos[0],
    to: Math.max(pos[1], pos[0] + 1),
    line: linePos?.[0].line ?? 0,
    column: linePos?.[0].col ?? 0,
    message: message.split(" at line ")[0] ?? message,
  }));
  return { value: issues.length > 0 ? undefined : toValue(doc), issues, locate: (path) => locate(doc, path) };
}

export function read(text: string): Document.Parsed {
  return parseDocument(text, { prettyErrors: true });
}

export function toValue(doc: Document.Parsed): unknown {
  try {
    return doc.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined;
  }
}

function locate(doc: Document.Parsed, path: Path): { from: number; to: number } | undefined {
  let node: unknown = doc.contents;
  let found: Place | undefined;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(doc);
    if (isMap(node)) {
      const pair = (node as YAMLMap<Node, Node>).items.find((each) => keyOf(each) === key);
      if (!pair) break;
      found = isCollection(pair.value) || !pair.value?.range ? rangeOf(pair.key) : pair.value.range;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      if (!(node as Node | undefined)?.range) break;
      found = rangeOf(node as Node);
    } else break;
  }
  return found && { from: found[0], to: Math.max(found[1], found[0] + 1) };
}

export function keyOf(pair: Entry): string {
  return isScalar(pair.key) ? String(pair.key.value) : "";
}

export function rangeOf(node: Node): Place {
  if (!node.range) throw new NotEditable();
  return node.range;
}
