/** Edits of the configuration's text that leave every other line as the person wrote it. */
import { isCollection, isMap, isScalar, isSeq, stringify, visit, type Node, type YAMLMap, type YAMLSeq } from "yaml";
import { getIn, isEqual, isObject, type Path } from "./paths";
import { keyOf, NotEditable, rangeOf, read, toValue, type Entry, type Place } from "./yaml";

const MOST_STEPS = 1_000;

/** The text with another value at one path; `undefined` removes. */
export function setIn(text: string, path: Path, value: unknown): string {
  const doc = read(text);
  if (doc.errors.length > 0) throw new NotEditable();
  const wanted = withValue(toValue(doc) ?? {}, path, value);
  if (!isEqual(getIn(wanted, path), value)) throw new NotEditable();
  let next = text;
  // Every step edits one place and is read again, so that positions always fit the text.
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const now = toValue(read(next)) ?? {};
    if (isEqual(now, wanted)) return next;
    const changed = editOnce(next, now, wanted);
    if (changed === next) break;
    next = changed;
  }
  throw new NotEditable();
}

function withValue(root: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(root)) {
    return root.map((each: unknown, at) => (String(at) === key ? withValue(each, rest, value) : each));
  }
  const object = isObject(root) ? root : {};
  const next = withValue(Object.hasOwn(object, key) ? object[key] : undefined, rest, value);
  if (next === undefined) return Object.fromEntries(Object.entries(object).filter(([each]) => each !== key));
  return { ...object, [key]: next };
}

/** Makes the first difference between what the text says and what it should say. */
function editOnce(text: string, now: unknown, wanted: unknown): string {
  const doc = read(text);
  visit(doc, {
    Alias: () => {
      throw new NotEditable();
    },
  });
  const root = doc.contents;
  if (root === null || (isScalar(root) && root.value === null)) return append(text, block(wanted, 0));
  if (!isMap(root)) throw new NotEditable();
  return editNode(text, root, now, wanted);
}

function editNode(text: string, node: Node, now: unknown, wanted: unknown): string {
  if (isMap(node) && isObject(now) && isObject(wanted)) {
    for (const key of Object.keys(now)) if (!Object.hasOwn(wanted, key)) return removePair(text, node as YAMLMap<Node, Node>, key);
    for (const [key, value] of Object.entries(wanted)) {
      if (!Object.hasOwn(now, key)) return insertPair(text, node as YAMLMap<Node, Node>, key, value);
      if (!isEqual(now[key], value)) return editPair(text, pairOf(node as YAMLMap<Node, Node>, key), now[key], value, !!node.flow);
    }
  }
  if (isSeq(node) && Array.isArray(now) && Array.isArray(wanted)) return editSeq(text, node as YAMLSeq<Node>, now, wanted);
  throw new NotEditable();
}

function editPair(text: string, pair: Entry, now: unknown, wanted: unknown, flow: boolean): string {
  const old = pair.value;
  const alike = (isObject(now) && isObject(wanted)) || (Array.isArray(now) && Array.isArray(wanted));
  // A list or a map that gets its first member, or loses its last, is written anew.
  if (old && alike && size(now) > 0 && size(wanted) > 0) return editNode(text, old, now, wanted);
  const place = rangeOf(pair.key);
  const colon = text.indexOf(":", place[1]) + 1;
  const [from, to] = old ? rangeOf(old) : [colon, colon];
  // Tags and anchors belong to the value, and would be left behind.
  if (text.slice(colon, from).includes("&") || text.slice(colon, from).includes("!")) throw new NotEditable();
  const indent = columnOf(text, place[0]);
  if (flow) return splice(text, from, to, `${from === colon ? " " : ""}${inFlow(wanted)}`);
  const onKeyLine = !text.slice(colon, from).includes("\n");
  const ends = text[to - 1] === "\n" ? to - 1 : to;
  if (size(wanted) > 0) {
    const head = onKeyLine ? text.slice(ends, lineEnd(text, ends)) : text.slice(colon, lineEnd(text, colon));
    const rest = onKeyLine ? lineEnd(text, ends) : Math.max(ends, lineEnd(text, colon));
    return splice(text, colon, rest, `${head.trimEnd() === "" ? "" : ` ${head.trim()}`}\n${block(wanted, indent + 2)}`);
  }
  const written = inBlock(wanted, old, indent);
  if (onKeyLine) return splice(text, from, ends, `${from === colon ? " " : ""}${written}`);
  const comment = text.slice(colon, lineEnd(text, colon)).trim();
  return splice(text, colon, ends, ` ${written}${comment ? ` ${comment}` : ""}`);
}

function removePair(text: string, map: YAMLMap<Node, Node>, key: string): string {
  const at = map.items.findIndex((pair) => keyOf(pair) === key);
  const pair = pairOf(map, key);
  if (map.flow) return removeInFlow(text, map.items.map(spanOf), at);
  if (map.items.length === 1) {
    const [from, to] = rangeOf(map);
    const end = text[to - 1] === "\n" ? to - 1 : to;
    if (from === 0 || columnOf(text, from) === 0) return text.slice(0, from) + text.slice(lineEnd(text, end) + 1);
    const colon = text.lastIndexOf(":", from);
    return splice(text, colon + 1, lineEnd(text, end), ` {}`);
  }
  return removeLines(text, spanOf(pair));
}

function insertPair(text: string, map: YAMLMap<Node, Node>, key: string, value: unknown): string {
  const last = map.items.at(-1);
  if (map.flow) {
    const [from, to] = rangeOf(map);
    if (!last) return splice(text, from, to, inFlow({ [key]: value }));
    return splice(text, spanOf(last)[1], spanOf(last)[1], `, ${inFlow({ [key]: value }).slice(1, -1).trim()}`);
  }
  if (!last) throw new NotEditable();
  const indent = columnOf(text, rangeOf(last.key)[0]);
  return insertAfter(text, spanOf(last)[1], block({ [key]: value }, indent));
}

function editSeq(text: string, seq: YAMLSeq<Node>, now: unknown[], wanted: unknown[]): string {
  let same = 0;
  while (same < now.length && same < wanted.length && isEqual(now[same], wanted[same])) same += 1;
  let end = 0;
  while (end < Math.min(now.length, wanted.length) - same && isEqual(now.at(-1 - end), wanted.at(-1 - end))) end += 1;
  const item = seq.items[same];
  const spans = seq.items.map((each): Place => [seq.flow ? rangeOf(each)[0] : dashOf(text, rangeOf(each)[0]), rangeOf(each)[1]]);
  const removes = same < now.length - end;
  const inserts = same < wanted.length - end;
  if (removes && inserts && item) {
    const [before, after] = [now[same], wanted[same]];
    if (isCollection(item) && size(before) > 0 && size(after) > 0 && isObject(before) === isObject(after)) {
      return editNode(text, item, before, after);
    }
    if (!isCollection(item) && size(after) === 0) {
      const [from, to] = rangeOf(item);
      const indent = columnOf(text, spans[same]![0]);
      return splice(text, from, text[to - 1] === "\n" ? to - 1 : to, seq.flow ? inFlow(after) : inBlock(after, item, indent));
    }
  }
  if (removes) return seq.flow ? removeInFlow(text, spans, same) : removeLines(text, spans[same]!);
  const value = wanted[same];
  const before = spans[same - 1];
  if (seq.flow) {
    if (before) return splice(text, before[1], before[1], `, ${inFlow(value)}`);
    return splice(text, spans[0]![0], spans[0]![0], `${inFlow(value)}, `);
  }
  const indent = columnOf(text, spans[0]![0]);
  if (before) return insertAfter(text, before[1], block([value], indent));
  const start = lineStart(text, spans[0]![0]);
  return splice(text, start, start, `${block([value], indent)}\n`);
}

function removeInFlow(text: string, spans: Place[], at: number): string {
  const [from, to] = spans[at]!;
  const before = spans[at - 1];
  const after = spans[at + 1];
  if (before) return splice(text, before[1], to, "");
  return after ? splice(text, from, after[0], "") : splice(text, from, to, "");
}

function removeLines(text: string, [from, to]: Place): string {
  const start = lineStart(text, from);
  // What else stands on the line belongs to something else.
  if (text.slice(start, from).trim() !== "") throw new NotEditable();
  const end = text[to - 1] === "\n" ? to : lineEnd(text, to) + 1;
  return text.slice(0, start) + text.slice(end);
}

function insertAfter(text: string, at: number, lines: string): string {
  if (text[at - 1] === "\n") return splice(text, at, at, `${lines}\n`);
  const end = lineEnd(text, at);
  return end === text.length ? append(text, lines) : splice(text, end, end, `\n${lines}`);
}

function append(text: string, lines: string): string {
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${lines}\n`;
}

/** A value on lines of its own. */
function block(value: unknown, indent: number): string {
  return pad(stringify(value, { lineWidth: 0 }).trimEnd(), indent);
}

/** A scalar or an empty list or map behind its key, quoted as the one before it was. */
function inBlock(value: unknown, old: Node | null | undefined, indent: number): string {
  const quotes = isScalar(old) && (old.type === "QUOTE_DOUBLE" || old.type === "QUOTE_SINGLE") ? old.type : undefined;
  const style = typeof value === "string" && quotes && !value.includes("\n") ? { defaultStringType: quotes, defaultKeyType: "PLAIN" as const } : {};
  const [first = "", ...rest] = stringify({ k: value }, { lineWidth: 0, ...style }).slice("k: ".length).trimEnd().split("\n");
  return [first, ...rest.map((line) => pad(line, indent))].join("\n");
}

function inFlow(value: unknown): string {
  const text = stringify([value], { lineWidth: 0, collectionStyle: "flow", flowCollectionPadding: false }).trimEnd();
  // JSON is YAML, for what would not fit on the line otherwise.
  return text.includes("\n") ? JSON.stringify(value) : text.slice(1, -1);
}

function pad(lines: string, indent: number): string {
  return lines.replaceAll(/^(?=.)/gm, " ".repeat(indent));
}

function size(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}

function pairOf(map: YAMLMap<Node, Node>, key: string): Entry {
  const pair = map.items.find((each) => keyOf(each) === key);
  if (!pair) throw new NotEditable();
  return pair;
}

function spanOf(pair: Entry): Place {
  return [rangeOf(pair.key)[0], (pair.value?.range ?? rangeOf(pair.key))[1]];
}

function dashOf(text: string, at: number): number {
  return text.lastIndexOf("-", at - 1);
}
function lineStart(text: string, at: number): number {
  return text.lastIndexOf("\n", at - 1) + 1;
}
function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
function columnOf(text: string, at: number): number {
  return at - lineStart(text, at);
}
function splice(text: string, from: number, to: number, inserted: string): string {
  return text.slice(0, from) + inserted + text.slice(to);
}
