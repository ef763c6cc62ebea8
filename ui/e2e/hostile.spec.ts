/** What a person is shown of a command, by eye or by screen reader, decodes to exactly what would run. */
import type { CDPSession, Page } from "@playwright/test";
import { unescaped } from "../src/lib/approvals/marks";
import { Gateway } from "./gateway";
import { HOSTILE, LONG } from "./hostile";
import { expect, open, test } from "./page";
import { find, ofRole, partsOf, readTree, shownIn, type Node } from "./tree";

/** With the harmless one as many as may wait in one session. */
const BATCH = 31;
const HARMLESS = "harmless";
/** Longer ones are asked as an argument and a script alone: together a question has at most 8 KiB. */
const SHORT = 60;
/** Smaller than a desktop's window of the dialog: what is long must be scrolled. */
const SMALL = { width: 520, height: 480 };

/** What a question shows of a text: as an argument, a script, an address, a file and a folder. */
type Readings = Record<string, string | undefined>;
interface Seen {
  tool: string;
  readings: Readings;
  /** What is around the text: roles and names. */
  outline: string[];
}

function question(text: string, tool: string): object {
  const places = { url: text, path: text, cwd: text };
  const action = { kind: "external", argv: [tool, text], ...(text && { script: text }), ...(text && text.length <= SHORT && places) };
  return { why: "A test wants to know.", idempotencyKey: crypto.randomUUID(), action };
}

function expected(text: string, tool: string): { tool: string; readings: Readings } {
  const script = text || undefined;
  const place = text && text.length <= SHORT ? text : undefined;
  return { tool, readings: { argument: text, script, url: place, path: place, cwd: place } };
}

const toolOf = (at: number): string => `tool-${at}`;
/** Blocks, and whether a screen reader says something before each of their rows, which is no part of it. */
const BLOCKS: Record<string, RegExp | undefined> = {
  "Program and arguments": /^(program|argument 1):$/,
  "Shell script": /^line \d+:$/,
  Address: undefined,
  File: undefined,
};
const isBlock = ({ role, name }: Node): boolean => role === "list" && name in BLOCKS;
const read = (shown: string): string => unescaped(shown) ?? `not to be read: ${shown}`;

function rowsOf({ name, children }: Node): string[] {
  const before = BLOCKS[name];
  return children.map((row) => {
    const parts = partsOf(row);
    const words = before && parts.shift()?.name.trim();
    if (row.role !== "listitem" || !(before?.test(words ?? "") ?? true)) throw new Error(`a ${row.role} that begins with ${words}`);
    return shownIn(parts);
  });
}

/** The rows of the one block with a title. */
function block(question: Node, title: string): string[] | undefined {
  const [found, ...more] = find(question, isBlock).filter(({ name }) => name === title);
  expect(more).toEqual([]);
  return found && rowsOf(found);
}

const lines = (question: Node, title: string): string | undefined => block(question, title)?.map(read).join("\n");

function seen(question: Node): Seen {
  const [tool, argument, ...more] = block(question, "Program and arguments") ?? [];
  expect(more).toEqual([]);
  // The folder is the first of the facts, where there is one.
  const hasFolder = find(question, ({ role, name }) => role === "statictext" && name === "Folder").length > 0;
  const [fact] = find(question, ({ role }) => role === "definition" || role === "descriptionlistdetail");
  const readings = {
    argument: read(argument ?? ""),
    script: lines(question, "Shell script"),
    url: lines(question, "Address"),
    path: lines(question, "File"),
    cwd: hasFolder ? read(shownIn(partsOf(fact!))) : undefined,
  };
  return { tool: tool ?? "", readings, outline: outline(question) };
}

/** Roles and names of all but blocks, facts and the note on marks. `Deny all` goes with the last question but one. */
function outline(node: Node): string[] {
  if (isBlock(node) || QUIET.has(node.role)) return [];
  const own = `${node.role} ${node.name}`;
  return [...(own === "button Deny all" || PLAIN.has(node.role) ? [] : [own]), ...node.children.flatMap(outline)];
}
const QUIET = new Set(["statictext", "note", "status", "definition", "descriptionlistdetail", "term", "descriptionlistterm", "mark"]);
const PLAIN = new Set(["generic", "none", "paragraph"]);

/** By eye: what is drawn in each row, and that it is text alone, with every space, inside of its row. */
async function drawn(page: Page): Promise<string[]> {
  const rows = await page.locator("[role=listitem] > bdi").evaluateAll((texts) =>
    texts.map((text) => {
      const copy = text.cloneNode(true) as HTMLElement;
      for (const part of copy.querySelectorAll(".visually-hidden, .char, .empty")) part.remove();
      const odd = [...text.querySelectorAll("*")].map(({ localName }) => localName).filter((name) => !["mark", "span"].includes(name));
      const kept = getComputedStyle(text).whiteSpace === "break-spaces" && text.scrollWidth <= text.clientWidth + 1;
      return { shown: copy.textContent, odd, kept };
    }),
  );
  expect(rows.filter(({ odd, kept }) => odd.length > 0 || !kept)).toEqual([]);
  return rows.map(({ shown }) => shown);
}

/** The same rows, for a screen reader, in the order of the page. */
const said = (tree: Node): string[] => find(tree, isBlock).flatMap(rowsOf);

/** In the dialog the name has the key as well. */
const buttons = (tree: Node, name: string): Node[] => ofRole(tree, "button").filter((button) => button.name.startsWith(name));

async function ask(gateway: Gateway, texts: readonly string[]): Promise<void> {
  await gateway.calls("exec.approval.request", texts.map((text, at) => question(text, toolOf(at))));
}

async function openDialog(page: Page): Promise<void> {
  await page.goto("/#/approval");
  await expect(page.getByRole("alertdialog")).toBeVisible();
}

const byTool = (a: { tool: string }, b: { tool: string }): number => Number(a.tool.split("-")[1]) - Number(b.tool.split("-")[1]);
const readingsOf = (all: Seen[]): object[] => all.map(({ tool, readings }) => ({ tool, readings })).sort(byTool);

/** Each question of the dialog, answered with Deny. */
async function throughDialog(page: Page, cdp: CDPSession, count: number): Promise<Seen[]> {
  const all: Seen[] = [];
  for (let left = count; left > 0; left -= 1) {
    const tree = await readTree(cdp);
    const [dialog] = ofRole(tree, "alertdialog");
    all.push(seen(dialog!));
    expect(await drawn(page)).toEqual(said(tree));
    expect(buttons(tree, "Allow once")).toHaveLength(1);
    expect(buttons(tree, "Deny all")).toHaveLength(left > 1 ? 1 : 0);
    expect(await page.title()).toBe("main wants to use a tool from outside");
    await page.keyboard.press("Escape");
    if (left > 1) await page.evaluate(untilOther, all.at(-1)!.tool);
  }
  await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
  return all;
}

/** Playwright's own wait would need an `eval` that the page's policy forbids, or be slower. */
function untilOther(before: string): Promise<void> {
  return new Promise((done) => {
    const look = (): void => {
      const now = document.querySelector("[role=alertdialog] [role=listitem] > bdi")?.textContent;
      if (now !== undefined && now !== before) done();
      else requestAnimationFrame(look);
    };
    look();
  });
}

let gateway: Gateway;
test.beforeEach(async ({ browser }) => {
  gateway = await Gateway.open(browser);
});
test.afterEach(async ({ browser }) => {
  await gateway.close();
  // Whoever asked cannot answer.
  const other = await Gateway.open(browser);
  const { approvals } = (await other.call("exec.approval.list", {})) as { approvals: { id: string }[] };
  await other.calls("exec.approval.resolve", approvals.map(({ id }) => ({ id, decision: "deny" })));
  await other.close();
});

test("there are enough of them, and each is another", () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(200);
  expect(new Set(HOSTILE).size).toBe(HOSTILE.length);
});

for (let from = 0; from < HOSTILE.length; from += BATCH) {
  const texts = [HARMLESS, ...HOSTILE.slice(from, from + BATCH)];
  test(`texts ${from + 1} to ${from + texts.length - 1} are read as they would run, on the page and in the dialog`, async ({ page }) => {
    const wanted = texts.map((text, at) => expected(text, toolOf(at)));
    await ask(gateway, texts);
    await open(page, "#/approvals");
    await expect(page.getByRole("article")).toHaveCount(texts.length);
    const cdp = await page.context().newCDPSession(page);
    const tree = await readTree(cdp);
    const cards = ofRole(tree, "article").map(seen);
    expect(readingsOf(cards)).toEqual(wanted);
    expect(await drawn(page)).toEqual(said(tree));
    expect(buttons(tree, "Allow once")).toHaveLength(texts.length);
    expect(await page.title()).toBe(`(${texts.length}) SimpleClaw`);

    await openDialog(page);
    const questions = await throughDialog(page, cdp, texts.length);
    expect(readingsOf(questions)).toEqual(wanted);

    for (const all of [cards, questions]) {
      const harmless = all.find(({ tool }) => tool === toolOf(0))!.outline;
      const names = harmless.filter((part) => part.startsWith("button "));
      expect(names.map((name) => name.replace(/ (Esc|Ctrl.*)?$/, ""))).toEqual(["button Deny", "button Allow once"]);
      for (const { tool, outline } of all) expect({ tool, outline }).toEqual({ tool, outline: harmless });
    }
  });
}

for (const [where, script] of Object.entries(LONG)) {
  test(`nothing is allowed before the end was seen: ${where}`, async ({ page }) => {
    await page.setViewportSize(SMALL);
    const action = { kind: "script", script };
    await gateway.call("exec.approval.request", { why: "A test.", idempotencyKey: crypto.randomUUID(), action });
    await open(page);
    await openDialog(page);
    const allow = page.getByRole("button", { name: "Allow once" });
    const last = page.getByRole("listitem").last();
    const body = page.getByRole("region", { name: /wants to run a shell script/ });
    const atEnd = async (): Promise<boolean> => {
      const [row, frame] = [await last.boundingBox(), await body.boundingBox()];
      return row!.y + row!.height <= frame!.y + frame!.height;
    };
    // Places are looked at once for each frame.
    const press = async (key: string): Promise<void> => {
      await page.keyboard.press(key);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    };
    // It says so once the time is over in which nothing can be allowed anyway.
    await expect(page.getByText("Scroll through all of it to allow")).toBeVisible();
    await press("End");
    expect(await atEnd()).toBe(true);
    await expect(allow).toBeDisabled();
    // What was seen of it is forgotten.
    await page.reload();
    await expect(page.getByText("Scroll through all of it to allow")).toBeVisible();
    let pages = 0;
    for (; !(await atEnd()); pages += 1) {
      await expect(allow).toBeDisabled();
      await press("PageDown");
    }
    expect(pages).toBeGreaterThan(1);
    // The edge below the last line.
    await press("PageDown");
    await expect(allow).toBeEnabled();
    const cdp = await page.context().newCDPSession(page);
    expect(lines(await readTree(cdp), "Shell script")).toBe(script);
  });
}

test("what cannot be shown is refused", async () => {
  const asked = (script: string): Promise<unknown> => {
    const action = { kind: "script", script };
    return gateway.call("exec.approval.request", { why: "A test.", idempotencyKey: crypto.randomUUID(), action });
  };
  await expect(asked("ls\0-la")).rejects.toThrow("NUL");
  await expect(asked("\u202e".repeat(2000))).rejects.toThrow("8 KiB");
  const { approvals } = await gateway.call("exec.approval.list", {});
  expect(approvals).toEqual([]);
});
