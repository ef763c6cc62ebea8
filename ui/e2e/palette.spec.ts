import type { Page } from "@playwright/test";
import { ask, composer, expect, open, sessionPath, test } from "./page";

const field = (page: Page) => page.getByRole("combobox", { name: "Search sessions and commands" });
const options = (page: Page) => page.getByRole("listbox", { name: "Commands" }).getByRole("option");
const chosen = (page: Page) => page.getByRole("listbox", { name: "Commands" }).getByRole("option", { selected: true });

async function command(page: Page, query: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await expect(field(page)).toBeFocused();
  await page.keyboard.type(query);
  await expect(options(page).first()).toBeVisible();
}

test("by keyboard alone: another session, Health, a new session, and back to the message", async ({ page }) => {
  const name = `harbour-${Date.now().toString(36)}`;
  await open(page, sessionPath(name));
  await ask(page, `about the ${name}`);
  await page.goto(`/${sessionPath("elsewhere")}`);
  await expect(composer(page)).toBeFocused();
  await command(page, `hrb ${name.slice(-4)}`);
  await expect(chosen(page)).toContainText("harbour");
  await page.keyboard.press("Enter");
  await expect.poll(() => decodeURIComponent(page.url())).toContain(name);
  await expect(page.getByRole("article", { name: "You" })).toContainText(name);
  await command(page, "health");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Subsystems" })).toBeVisible();
  await command(page, "new session");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "New session" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox", { name: "Search sessions" }).focus();
  await command(page, "write");
  await page.keyboard.press("Enter");
  await expect(composer(page)).toBeFocused();
});

test("the arrows go around, the field keeps the focus and names what is chosen, Escape gives it back", async ({ page }) => {
  await open(page, sessionPath("arrows"));
  await expect(composer(page)).toBeFocused();
  await page.keyboard.press("Control+k");
  await expect(options(page).first()).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("ArrowDown");
  await expect(options(page).nth(1)).toHaveAttribute("aria-selected", "true");
  await expect(field(page)).toBeFocused();
  await expect(field(page)).toHaveAttribute("aria-activedescendant", (await chosen(page).getAttribute("id"))!);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await expect(options(page).last()).toHaveAttribute("aria-selected", "true");
  await expect(options(page).last()).toBeInViewport();
  await page.keyboard.press("Escape");
  await expect(field(page)).toBeHidden();
  await expect(composer(page)).toBeFocused();
});

test("a theme is chosen against the system's, and stays", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await open(page, sessionPath("theme"));
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await command(page, "dark");
  await page.keyboard.press("Enter");
  await expect.poll(background).not.toBe(light);
  await page.reload();
  await expect.poll(background).not.toBe(light);
  await page.getByRole("button", { name: "Search and commands" }).click();
  await page.getByRole("option", { name: "Theme: as the system" }).click();
  await expect.poll(background).toBe(light);
});

test("notifications are off until they are asked for, and tell of an answer while the page is hidden", async ({ page, context }) => {
  await context.grantPermissions(["notifications", "clipboard-read", "clipboard-write"]);
  await page.addInitScript(() => {
    const shown: string[] = [];
    class Fake {
      static permission = "default";
      static requestPermission = (): Promise<string> => Promise.resolve((Fake.permission = "granted"));
      onclick = null;
      constructor(title: string, { body }: { body: string }) {
        shown.push(`${title}: ${body}`);
      }
    }
    Object.assign(window, { Notification: Fake, shown });
  });
  const shown = () => page.evaluate(() => (window as unknown as { shown: string[] }).shown);
  await open(page, sessionPath("notice"));
  await page.evaluate(() => Object.defineProperty(document, "hidden", { configurable: true, value: true }));
  await ask(page, "What can you do?");
  expect(await shown()).toEqual([]);
  const bell = page.getByRole("button", { name: "Notify me when an answer is ready" });
  await expect(bell).toHaveAttribute("aria-pressed", "false");
  await bell.click();
  await expect(bell).toHaveAttribute("aria-pressed", "true");
  await ask(page, "What else?");
  await expect.poll(shown).toHaveLength(1);
  expect((await shown())[0]).toContain("The answer is ready");
});
