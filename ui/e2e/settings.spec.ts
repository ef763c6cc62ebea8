import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "@playwright/test";
import { expect, expectAccessible, expectFits, HOME, open, test } from "./page";
import { Gateway } from "./gateway";

const FILE = join(HOME, "config.yaml");
/** What a person adds to it in an editor. */
const BY_HAND = `
# The scanner makes large pages.
attachments:
  maxMb: 9 # measured
runs:
  timeoutMinutes: 90
logging:
  level: warn # quiet
`;

const field = (page: Page, name: string) => page.getByRole("textbox", { name, exact: true });
const editor = (page: Page) => page.getByRole("textbox", { name: "Configuration as text" });
const bar = (page: Page) => page.getByRole("region", { name: "Apply" });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const conflict = (page: Page) => page.getByRole("dialog", { name: "The file was changed elsewhere" });

async function settings(page: Page, section: string): Promise<void> {
  await open(page, `#/settings/${section}`);
  await expect(editor(page)).toBeVisible();
}

/** The file as it was, through the gateway, which sees what was written by hand a moment later. */
async function putBack(browser: Browser, raw: string): Promise<void> {
  const gateway = await Gateway.open(browser);
  const { hash } = await gateway.call("config.get", {});
  await gateway.call("config.set", { raw, baseHash: hash });
  await gateway.close();
}

async function apply(page: Page): Promise<void> {
  await expect(button(page, "Apply")).toBeEnabled();
  await button(page, "Apply").click();
  await expect(button(page, "Undo")).toBeVisible();
}

test("a setting is changed in the form, seen in the text and the diff, applied, and undone", async ({ page }) => {
  await settings(page, "sessions");
  const before = await editor(page).innerText();
  await field(page, "Max MB").fill("7");
  await expect(editor(page)).toContainText("maxMb: 7");
  await expect(bar(page)).toContainText("1 change · applies live");
  await button(page, "Show diff").click();
  const diff = page.getByRole("dialog", { name: "What will change" });
  await expect(diff).toContainText("maxMb: 7");
  await expectAccessible(page);
  await diff.getByRole("button", { name: "Apply" }).click();
  await expect(bar(page)).toContainText("Applied.");
  await button(page, "Undo").click();
  await expect(button(page, "Undo")).toBeHidden();
  expect(await editor(page).innerText()).toBe(before);
});

test("a wrong value shows its error beside the field and in the text, and cannot be applied", async ({ page }) => {
  await settings(page, "gateway");
  await field(page, "Port").fill("99999999");
  await expect(field(page, "Port")).toHaveAttribute("aria-invalid", "true");
  const hint = (await field(page, "Port").getAttribute("aria-describedby"))!.split(" ").at(-1);
  await expect(page.locator(`[id="${hint}"]`)).not.toBeEmpty();
  await expect(bar(page)).toContainText("1 problem");
  await expect(button(page, "Apply")).toBeDisabled();
  await bar(page).getByRole("button", { name: "1 problem" }).click();
  await expect(editor(page)).toBeFocused();
  await button(page, "Discard").click();
  await expect(field(page, "Port")).toHaveAttribute("aria-invalid", "false");
});

test("what is typed in the text is shown by the form, and broken text makes the form wait", async ({ page }) => {
  await settings(page, "logging");
  await editor(page).focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("\nlogging:\n  level: debug\n");
  await expect(page.getByRole("combobox", { name: "Level" })).toHaveValue("debug");
  await page.keyboard.insertText("broken: [1\n");
  await expect(page.getByRole("alert").filter({ hasText: "cannot be read" })).toBeVisible();
  await expect(page.getByRole("combobox", { name: "Level" })).toBeDisabled();
  await button(page, "Discard").click();
  await expect(page.getByRole("combobox", { name: "Level" })).toBeEnabled();
});

test("an edit by hand meets the changes here: each clash is chosen, the rest and the comments are kept", async ({ page, browser }) => {
  const before = await readFile(FILE, "utf8");
  await settings(page, "sessions");
  await field(page, "Max MB").fill("5");
  await field(page, "Timeout minutes").fill("30");
  await writeFile(FILE, before + BY_HAND);
  await expect(conflict(page)).toContainText("1 other change");
  for (const choice of ["Take the file", "Keep my text", "Put together"]) {
    await expect(conflict(page).getByRole("button", { name: choice })).toBeVisible();
  }
  const clash = (name: string) => conflict(page).getByRole("group", { name });
  await expect(clash("attachments.maxMb").getByRole("radio", { name: "Yours 5" })).toBeChecked();
  await expect(clash("attachments.maxMb").getByRole("radio", { name: "In the file 9" })).toBeVisible();
  await expectAccessible(page);
  await clash("runs.timeoutMinutes").getByRole("radio", { name: "In the file 90" }).check();
  await conflict(page).getByRole("button", { name: "Put together" }).click();
  await expect(conflict(page)).toBeHidden();
  await expect(field(page, "Max MB")).toHaveValue("5");
  await expect(field(page, "Timeout minutes")).toHaveValue("90");
  await expect(editor(page)).toContainText("# The scanner makes large pages.");
  await apply(page);
  expect(await readFile(FILE, "utf8")).toBe(before + BY_HAND.replace("9 # measured", "5 # measured"));
  await putBack(browser, before);
});

test("after an edit by hand the whole file is taken, or the whole text here kept, and nothing is written", async ({ page, browser }) => {
  const before = await readFile(FILE, "utf8");
  await settings(page, "sessions");
  await field(page, "Max MB").fill("5");
  await writeFile(FILE, before + BY_HAND);
  await conflict(page).getByRole("button", { name: "Take the file" }).click();
  await expect(conflict(page)).toBeHidden();
  await expect(bar(page)).toContainText("No changes");
  await expect(field(page, "Max MB")).toHaveValue("9");
  await expect(editor(page)).toContainText("# The scanner makes large pages.");
  expect(await readFile(FILE, "utf8")).toBe(before + BY_HAND);

  await field(page, "Max MB").fill("5");
  const again = before + BY_HAND.replace("9 # measured", "11 # measured anew");
  await writeFile(FILE, again);
  await conflict(page).getByRole("button", { name: "Keep my text" }).click();
  await expect(conflict(page)).toBeHidden();
  await expect(editor(page)).toContainText("maxMb: 5 # measured");
  await expect(editor(page)).not.toContainText("anew");
  expect(await readFile(FILE, "utf8")).toBe(again);
  await button(page, "Discard").click();
  await expect(editor(page)).toContainText("maxMb: 11 # measured anew");
  await putBack(browser, before);
});

test("without changes here, an edit elsewhere is simply shown", async ({ page, browser }) => {
  await settings(page, "logging");
  const other = await Gateway.open(browser);
  await other.call("config.patch", { patch: { logging: { level: "trace" } } });
  await expect(page.getByRole("combobox", { name: "Level" })).toHaveValue("trace");
  await expect(bar(page)).toContainText("No changes");
  await other.call("config.patch", { patch: { logging: null } });
  await other.close();
});

test("an earlier version is restored from the history", async ({ page }) => {
  await settings(page, "sessions");
  await field(page, "Max MB").fill("3");
  await apply(page);
  await page.getByRole("link", { name: "History" }).click();
  const newest = page.getByRole("listitem").filter({ hasText: "maxMb: 3" }).first();
  await newest.getByRole("button", { name: /^Restore/ }).click();
  await expect(editor(page)).not.toContainText("maxMb: 3");
});

test("a secret is set, replaced and removed, and never shown", async ({ page }) => {
  const secret = `sk-planted-${Date.now()}`;
  await settings(page, "models");
  const name = `e2e${Date.now().toString(36)}`;
  await field(page, "Name of a new one in Providers").fill(name);
  await page.getByRole("button", { name: "Add to Providers" }).click();
  await page.getByText(name, { exact: true }).first().click();
  const entry = page.locator("details").filter({ hasText: `Remove ${name}` });
  await entry.getByRole("button", { name: "Set: API key" }).click();
  await entry.getByLabel("New value: API key").fill(secret);
  await entry.getByRole("button", { name: "Store" }).click();
  await expect(entry).toContainText(`set · ${name}`);
  await expect(editor(page)).toContainText(`secret: ${name}`);
  expect(await page.content()).not.toContain(secret);
  await entry.getByRole("button", { name: "Remove: API key" }).click();
  await expect(editor(page)).not.toContainText(`secret: ${name}`);
  await button(page, "Discard").click();
  await page.getByRole("link", { name: "Secrets" }).click();
  await page.getByRole("button", { name: `Forget ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Forget" }).click();
  await expect(page.getByText(name, { exact: true })).toBeHidden();
});

test("a setting is found by its words, by keyboard alone", async ({ page }) => {
  await settings(page, "gateway");
  await page.getByRole("searchbox", { name: "Search settings" }).focus();
  await page.keyboard.type("sandbox");
  await expect(page.getByText("1 setting", { exact: true })).toBeVisible();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Tools and approvals" })).toBeVisible();
  await expect(page.getByRole("combobox", { name: "Sandbox" })).toBeFocused();
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 400]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: 800 } });

      test("no section has an accessibility finding, and nothing sticks out", async ({ page }) => {
        test.setTimeout(120_000);
        await open(page);
        for (const id of ["gateway", "agents", "models", "tools", "sessions", "secrets", "history"]) {
          await page.goto(`/#/settings/${id}`);
          await expect(page.getByRole("heading", { level: 2 })).toBeVisible();
          const closed = page.locator("details:not([open]) > summary:visible");
          while ((await closed.count()) > 0) await closed.first().click();
          await expectAccessible(page);
          await expectFits(page);
        }
      });
    });
  }
}
