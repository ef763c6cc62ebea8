/** What a person is shown of a command, by eye or by screen reader, decodes to exactly what would run. */
import type { CDPSession, Page } from "@playwright/test";
import { unescaped } from "../src/lib/approvals/marks";
import { Gateway } from "./gateway";
import { HOSTILE, LONG } from "./hostile";
import { expect, open, sessionKey, test } from "./page";
import { Provider } from "./provider";
import { find, ofRole, partsOf, readTree, shownIn, type Node } from "./tree";

/** With the harmless one as many as may wait in one session. */
const BATCH = 31;
const HARMLESS = "harmless";
/** Longer ones are asked as an argument and a script alone: together a question has at most 8 KiB. */
const SHORT = 60;
/** Why something is wanted has at most so many characters. */
const MOST_WHY = 2048;
const WHY = "A test wants to know.";
/** Of variables: a program names them alone, with nothing but letters, digits and `_`. */
const NAMES = ["LD_PRELOAD", "Network", "__proto__", "x".repeat(128)];
/** Smaller than a desktop's window of the dialog: what is long must be scrolled. */
const SMALL = { width: 520, height: 480 };

/**
 * What a question shows of a text: as an argument, a script, an address, a file, a folder, the lines of a change, and what
 * whoever asks says; and its variables.
 */
interface Readings {
  argument: string;
  script: string | undefined;
  url: string | undefined;
  path: string | undefined;
  cwd: string | undefined;
  change: Record<string, string> | undefined;
  said: string;
  env: string[] | undefined;
}
interface Seen {
  tool: string;
  readings: Readings;
  /** What is around the text: roles and names. */
  outline: string[];
}

function question(text: string, tool: string): object {
  const places = { url: text, path: text, cwd: text, diff: changeOf(text), description: text };
  const action = {
    kind: "external",
    argv: [tool, text],
    ...(text && { script: text }),
    ...(text && text.length <= SHORT && places),
    ...(text === HARMLESS && { envNames: NAMES }),
  };
  return { why: whyOf(text), idempotencyKey: crypto.randomUUID(), action };
}

function expected(text: string, tool: string): { tool: string; readings: Readings } {
  const script = text || undefined;
  const place = text && text.length <= SHORT ? text : undefined;
  const change = place === undefined ? undefined : { unchanged: place, removed: place, added: place };
  const env = text === HARMLESS ? NAMES : ["as always"];
  return { tool, readings: { argument: text, script, url: place, path: place, cwd: place, change, said: inLine(saidOf(text)), env } };
}

/** The text as lines that stay, go and come. */
function changeOf(text: string): string {
  const lines = text.split("\n");
  const signed = (sign: string): string => lines.map((line) => `${sign}${line}\n`).join("");
  const count = 2 * lines.length;
  return `@@ -1,${count} +1,${count} @@\n${signed(" ")}${signed("-")}${signed("+")}`;
}

const whyOf = (text: string): string => (text && [...text].length <= MOST_WHY ? text : WHY);
/** Why, and what else it says. */
const saidOf = (text: string): string => (text && text.length <= SHORT ? `${whyOf(text)}\n${text}` : whyOf(text));
/** In words that somebody says, a line break is nothing that a screen reader has to tell of. The eye has it. */
const inLine = (text: string): string => text.replaceAll("\n", "");

const toolOf = (at: number): string => `tool-${at}`;
/** Blocks, and whether a screen reader says something before each of their rows, which is no part of it. */
const BLOCKS: Record<string, RegExp | undefined> = {
  "Program and arguments": /^(program|argument 1):$/,
  "Shell script": /^line \d+:$/,
  Address: undefined,
  File: undefined,
  Change: /^(unchanged|removed|added):$/,
};
const isBlock = ({ role, name }: Node): boolean => role === "list" && name in BLOCKS;
/** What whoever asks says of it. */
const isQuote = ({ role }: Node): boolean => role === "blockquote";
const read = (shown: string): string => unescaped(shown) ?? `not to be read: ${shown}`;

interface Row {
  /** What a screen reader says before it. */
  before: string;
  shown: string;
}

function rowsOf({ name, children }: Node): Row[] {
  const names = BLOCKS[name];
  return children.map((row) => {
    const parts = partsOf(row);
    const before = names ? (parts.shift()?.name.trim() ?? "") : "";
    if (row.role !== "listitem" || !(names?.test(before) ?? true)) throw new Error(`a ${row.role} that begins with ${before}`);
    return { before, shown: shownIn(parts) };
  });
}

/** The rows of the one block with a title. */
function block(question: Node, title: string): Row[] | undefined {
  const [found, ...more] = find(question, isBlock).filter(({ name }) => name === title);
  expect(more).toEqual([]);
  return found && rowsOf(found);
}

const together = (rows: Row[]): string => rows.map(({ shown }) => read(shown)).join("\n");

function lines(question: Node, title: string): string | undefined {
  const rows = block(question, title);
  return rows && together(rows);
}

/** The lines of a change that stay, go and come. */
function change(question: Node): Record<string, string> | undefined {
  const rows = block(question, "Change");
  const of = (word: string): string => together(rows!.filter(({ before }) => before === `${word}:`));
  return rows && { unchanged: of("unchanged"), removed: of("removed"), added: of("added") };
}

/** What stands beside a word among the facts. */
function facts(question: Node, word: string): string[] | undefined {
  let found: string[] | undefined;
  let term = "";
  for (const node of find(question, ({ role }) => TERMS.has(role) || DETAILS.has(role))) {
    const parts = partsOf(node);
    if (TERMS.has(node.role)) term = shownIn(parts);
    else if (term === word) found = [...(found ?? []), read(shownIn(parts))];
  }
  return found;
}
const TERMS = new Set(["term", "descriptionlistterm"]);
const DETAILS = new Set(["definition", "descriptionlistdetail"]);

function seen(question: Node): Seen {
  const [tool, argument, ...more] = block(question, "Program and arguments") ?? [];
  expect(more).toEqual([]);
  const [quote, ...others] = find(question, isQuote);
  expect(others).toEqual([]);
  const readings: Readings = {
    argument: read(argument?.shown ?? ""),
    script: lines(question, "Shell script"),
    url: lines(question, "Address"),
    path: lines(question, "File"),
    cwd: facts(question, "Folder")?.[0],
    change: change(question),
    said: inLine(read(shownIn(partsOf(quote!)))),
    env: facts(question, "Environment"),
  };
  return { tool: tool?.shown ?? "", readings, outline: outline(question) };
}

/** Roles and names of all but blocks, facts and the note on marks. `Deny all` goes with the last question but one. */
function outline(node: Node): string[] {
  if (isBlock(node) || QUIET.has(node.role)) return [];
  const own = `${node.role} ${node.name}`;
  return [...(own === "button Deny all" || PLAIN.has(node.role) ? [] : [own]), ...node.children.flatMap(outline)];
}
const QUIET = new Set(["statictext", "linebreak", "note", "status", "mark", ...TERMS, ...DETAILS]);
const PLAIN = new Set(["generic", "none", "paragraph"]);

const ROWS_AND_QUOTES = "[role=listitem] > bdi, blockquote";
const QUOTES = "blockquote";
/** Folders and variables. */
const FACTS = "dd.mono";

/** By eye: what is drawn in each row, and that it is text alone, with every space, inside of its row. */
async function drawn(page: Page, of = ROWS_AND_QUOTES): Promise<string[]> {
  const rows = await page.locator(of).evaluateAll((texts) =>
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

/** The same, for a screen reader, in the order of the page. */
const heard = (tree: Node): string[] =>
  find(tree, (node) => isBlock(node) || isQuote(node)).flatMap((node) =>
    isBlock(node) ? rowsOf(node).map(({ shown }) => shown) : [shownIn(partsOf(node))],
  );

/** Both have the same. */
async function expectBoth(page: Page, tree: Node): Promise<void> {
  expect((await drawn(page)).map(inLine)).toEqual(heard(tree).map(inLine));
}

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
    await expectBoth(page, tree);
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
    await expectBoth(page, tree);
    // By eye every break of a line is there as well. Two cards may have come at the same time, in any order.
    expect((await drawn(page, QUOTES)).map(read).sort()).toEqual(texts.map(saidOf).sort());
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

/** As many values as a question has room for, whatever it takes to make them visible. */
function batches(values: readonly string[]): string[][] {
  const most = 7000;
  const cost = (text: string): number => [...text].reduce((sum, sign) => sum + (/[!-[\]-~]/.test(sign) ? 1 : 10), 8);
  const all: string[][] = [];
  let left = 0;
  for (const value of values.filter((value) => cost(value) <= most / 2)) {
    if (cost(value) > left) {
      all.push([]);
      left = most;
    }
    all.at(-1)!.push(value);
    left -= cost(value);
  }
  return all;
}

/** In the order of the names. */
const environmentOf = (values: string[]): [string, string][] => values.map((value, at) => [`V${String(at).padStart(3, "0")}`, value]);

test("values of variables, which agents alone may give, are read as they would be set", async ({ page }) => {
  const all = batches(HOSTILE);
  const wanted = all.map((values) => environmentOf(values).map(([name, value]) => `${name}=${value}`));
  const asText = (each: (string[] | undefined)[]): string[] => each.map((variables) => JSON.stringify(variables)).sort();
  const keys = all.map((_, at) => sessionKey(`hostile-${at}`));
  const provider = await Provider.startFree();
  try {
    const hostile = { api: "openai", baseUrl: provider.url, models: [{ id: "scripted" }] };
    await gateway.call("config.patch", { patch: { models: { providers: { hostile } } } });
    for (const [at, values] of all.entries()) {
      const env = Object.fromEntries(environmentOf(values));
      provider.calls.push({ name: "exec", arguments: { argv: ["true", toolOf(at)], unconfined: true, env } });
      const message = { sessionKey: keys[at]!, message: "Do it.", model: "hostile/scripted", idempotencyKey: crypto.randomUUID() };
      await gateway.call("chat.send", message);
    }
    await open(page, "#/approvals");
    await expect(page.getByRole("article")).toHaveCount(all.length);
    const cdp = await page.context().newCDPSession(page);
    const cards = ofRole(await readTree(cdp), "article");
    expect(asText(cards.map((card) => facts(card, "Environment")))).toEqual(asText(wanted));
    const byEye = (await drawn(page, FACTS)).map(read).filter((fact) => /^V\d{3}=/.test(fact));
    expect(byEye.sort()).toEqual(wanted.flat().sort());

    await openDialog(page);
    const questions: (string[] | undefined)[] = [];
    const argument = page.getByRole("listitem").nth(1);
    for (let left = all.length; left > 0; left -= 1) {
      const [dialog] = ofRole(await readTree(cdp), "alertdialog");
      questions.push(facts(dialog!, "Environment"));
      const before = (await argument.textContent()) ?? "";
      await page.keyboard.press("Escape");
      if (left > 1) await expect(argument).not.toHaveText(before);
    }
    await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
    expect(asText(questions)).toEqual(asText(wanted));
    for (const key of keys) {
      const status = async (): Promise<unknown> => ((await gateway.call("sessions.get", { key })).session as { status: string }).status;
      await expect.poll(status).toBe("idle");
    }
  } finally {
    // The other tests talk to the guide.
    await gateway.call("config.patch", { patch: { models: { providers: null } } });
    await provider.stop();
  }
});

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
  for (const name of ["", "A=1", "A\n", "a b", "\u202eA", "\u0410", "A\u200b", "x".repeat(129)]) {
    const action = { kind: "external", argv: ["tool"], envNames: [name] };
    const named = gateway.call("exec.approval.request", { why: "A test.", idempotencyKey: crypto.randomUUID(), action });
    await expect(named, JSON.stringify(name)).rejects.toThrow();
  }
  const { approvals } = await gateway.call("exec.approval.list", {});
  expect(approvals).toEqual([]);
});
