import type { Page } from "@playwright/test";
import { expect, expectAccessible, open, test } from "./page";
import { Gateway } from "./gateway";

const field = (page: Page, name: string) => page.getByRole("textbox", { name, exact: true });
const editor = (page: Page) => page.getByRole("textbox", { name: "Configuration as text" });
const bar = (page: Page) => page.getByRole("region", { name: "Apply" });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

async function settings(page: Page, section: string): Promise<void> {
  await open(page, `#/settings/${section}`);
  await expect(editor(page)).toBeVisible();
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

test("an edit elsewhere meets the changes here: each clash is chosen, the rest is kept", async ({ page, browser }) => {
  await settings(page, "sessions");
  await field(page, "Max MB").fill("5");
  const other = await Gateway.open(browser);
  await other.call("config.patch", { patch: { attachments: { maxMb: 9 }, logging: { level: "warn" } } });
  const conflict = page.getByRole("dialog", { name: "The file was changed elsewhere" });
  await expect(conflict).toContainText("attachments.maxMb");
  await expectAccessible(page);
  await conflict.getByRole("radio", { name: /Yours/ }).check();
  await conflict.getByRole("button", { name: "Put together" }).click();
  await expect(editor(page)).toContainText("maxMb: 5");
  await expect(editor(page)).toContainText("level: warn");
  await apply(page);
  await other.call("config.patch", { patch: { attachments: null, logging: null } });
  await other.close();
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
          expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        }
      });
    });
  }
}
