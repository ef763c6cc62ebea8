/** What the tests share: a page that is signed in, and a record of everything it complained about. */
import AxeBuilder from "@axe-core/playwright";
import { expect, test as base, type Locator, type Page } from "@playwright/test";

export const TOKEN = process.env.SIMPLECLAW_TOKEN ?? "";
export const HOME = process.env.SIMPLECLAW_HOME ?? "";

/** Fails a test whose page threw, or broke the content security policy. */
export const test = base.extend<{ complaints: string[] }>({
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error" && /Content Security Policy|Uncaught/.test(message.text())) complaints.push(message.text());
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

/** Opens a session of its own for the test, signed in through the fragment. */
export async function open(page: Page, path = ""): Promise<void> {
  await page.goto(`/#token=${TOKEN}`);
  await expect(page.getByText("Online", { exact: true })).toBeVisible();
  if (path) await page.goto(`/${path}`);
}

export function sessionKey(name: string): string {
  return `agent:main:${name}-${Date.now().toString(36)}`;
}

export function pathOf(key: string): string {
  return `#/chat/${encodeURIComponent(key)}`;
}

export const sessionPath = (name: string): string => pathOf(sessionKey(name));

/** Sends a message and waits until it is answered. */
export async function ask(page: Page, text: string): Promise<void> {
  const before = await answers(page).count();
  await composer(page).fill(text);
  await page.keyboard.press("Enter");
  await expect(answers(page)).toHaveCount(before + 1);
  await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
}

export const composer = (page: Page): Locator => page.getByRole("textbox", { name: "Message", exact: true });
export const answers = (page: Page): Locator => page.getByRole("article", { name: "Answer" });
export const mine = (page: Page): Locator => page.getByRole("article", { name: "You" });

export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.target.join(" "))])).toEqual([]);
}

/** The page itself never scrolls: what is long scrolls inside. */
export async function expectFits(page: Page): Promise<void> {
  const size = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
  const { width, height } = page.viewportSize()!;
  expect(size).toEqual([width, height]);
}
