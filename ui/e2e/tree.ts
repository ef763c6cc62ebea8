/**
 * What a screen reader is given, from Chromium's own accessibility tree. Playwright's snapshots are no use here: they
 * trim, and collapse spaces.
 */
import type { CDPSession } from "@playwright/test";

export interface Node {
  /** In lower case. */
  role: string;
  name: string;
  /** Of a text: the words of its name with their spaces. */
  text: string;
  children: Node[];
}

/**
 * The tree without what is hidden from it. The protocol may simplify the spaces of names, so those of a text come from the
 * text node that it stands for; all else of the two must agree.
 */
export async function readTree(cdp: CDPSession): Promise<Node> {
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  const { documents, strings } = await cdp.send("DOMSnapshot.captureSnapshot", { computedStyles: [] });
  const { backendNodeId = [], nodeValue = [] } = documents[0]!.nodes;
  const texts = new Map(backendNodeId.map((id, at) => [id, strings[nodeValue[at] ?? -1] ?? ""]));
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const grow = (id: string): Node[] => {
    const node = byId.get(id);
    const role = String(node?.role?.value).toLowerCase();
    if (!node || role === "inlinetextbox") return [];
    const children = (node.childIds ?? []).flatMap(grow);
    if (node.ignored) return children;
    return [{ role, name: String(node.name?.value ?? ""), text: texts.get(node.backendDOMNodeId ?? -1) ?? "", children }];
  };
  const [root] = grow(nodes[0]!.nodeId);
  return root!;
}

/** Those that `is` says, from the top; not what is inside of one. */
export function find(node: Node, is: (node: Node) => boolean): Node[] {
  return is(node) ? [node] : node.children.flatMap((child) => find(child, is));
}

export const ofRole = (node: Node, role: string): Node[] => find(node, (each) => each.role === role);

/** What stands in a row or a fact, as the gateway escaped it. Only a mark may hold a spelled character. */
export function shownIn(parts: Node[]): string {
  return parts.map((part) => (part.role === "mark" ? spelled(part) : plain(part))).join("");
}

/** Texts and marks, one after the other. */
export const partsOf = (node: Node): Node[] => find(node, ({ role }) => role === "mark" || role === "statictext");

function plain(node: Node): string {
  if (simple(node.name) !== simple(node.text)) throw new Error(`read as ${JSON.stringify(node.name)}, shown as ${JSON.stringify(node.text)}`);
  if (node.text.replaceAll("\\\\", "").includes("\\")) throw new Error(`an escape that is not marked: ${JSON.stringify(node.text)}`);
  return node.text;
}

function spelled(mark: Node): string {
  const said = ofRole(mark, "statictext").map(({ text }) => text).join("");
  if (said === "empty") return "";
  const [, escape] = /^hidden character (\\.+)$/.exec(said) ?? [];
  if (!escape) throw new Error(`a mark that says ${JSON.stringify(said)}`);
  return escape;
}

const simple = (text: string): string => text.replace(/[ \n\t]+/g, " ").trim();
