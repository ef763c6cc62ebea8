import type { Page } from "@playwright/test";
import { Gateway } from "./gateway";
import { composer, expect, mine, open, pathOf, sessionKey, test } from "./page";

const COUNT = 450;
const key = sessionKey("long");

test.describe("a long conversation", () => {
  test.beforeAll(async ({ browser }) => {
    const gateway = await Gateway.open(browser);
    const text = (at: number): string => (at % 9 === 0 ? `Entry ${at}\n\n${"- a line of a list\n".repeat(at % 30)}` : `Entry ${at}`);
    const all = Array.from({ length: COUNT }, (_, at) => ({ sessionKey: key, role: "assistant", message: text(at + 1) }));
    await gateway.calls("chat.inject", all);
    await gateway.close();
  });

  const entries = (page: Page) => page.getByRole("article");
  const entry = (page: Page, text: string) => scroller(page).getByText(text, { exact: true });
  const latest = `Entry ${COUNT}`;
  const scroller = (page: Page) => page.getByRole("log");
  /** The first entry that is seen, and where. */
  const seen = (page: Page) =>
    scroller(page).evaluate((list) => {
      const top = list.getBoundingClientRect().top;
      const row = [...list.querySelectorAll("article")].find((each) => each.getBoundingClientRect().bottom > top + 1)!;
      return { name: row.querySelector("p")?.textContent, at: Math.round(row.getBoundingClientRect().top - top) };
    });

  test("only what is near the visible part is on the page, from the end to the beginning and back", async ({ page }) => {
    await open(page, pathOf(key));
    await expect(entry(page, latest)).toBeInViewport();
    let most = 0;
    for (let round = 0; round < 60; round += 1) {
      await scroller(page).evaluate((list) => (list.scrollTop -= 2500));
      most = Math.max(most, await entries(page).count());
      if (await entry(page, "Entry 1").isVisible()) break;
      await page.waitForTimeout(60);
    }
    await expect(page.getByText("The conversation starts here.")).toBeInViewport();
    await expect(entry(page, "Entry 1")).toBeVisible();
    expect(most).toBeLessThan(120);
    await page.getByRole("button", { name: "Jump to the latest message" }).click();
    await expect(entry(page, latest)).toBeInViewport();
    await expect(page.getByRole("button", { name: "Jump to the latest message" })).toBeHidden();
  });

  test("older pages arrive without moving what is read", async ({ page }) => {
    await open(page, pathOf(key));
    await expect(entry(page, latest)).toBeInViewport();
    const oldest = entry(page, `Entry ${COUNT - 99}`);
    await scroller(page).evaluate((list) => (list.scrollTop = 0));
    await expect(oldest).toBeInViewport();
    const before = await oldest.boundingBox();
    // The page that was asked for has come, above what is seen.
    await expect.poll(() => scroller(page).evaluate((list) => list.scrollTop)).toBeGreaterThan(1000);
    await page.waitForTimeout(300);
    expect(Math.abs((await oldest.boundingBox())!.y - before!.y)).toBeLessThanOrEqual(1);
    // By small steps every entry moves by the step and by nothing else.
    for (let step = 0; step < 40; step += 1) {
      const from = await seen(page);
      const moved = await scroller(page).evaluate(async (list) => {
        const top = list.getBoundingClientRect().top;
        const row = [...list.querySelectorAll("article")].find((each) => each.getBoundingClientRect().bottom > top + 1)!;
        const before = row.getBoundingClientRect().top;
        list.scrollTop -= 150;
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return Math.round(row.getBoundingClientRect().top - before);
      });
      expect([from.name, moved]).toEqual([from.name, 150]);
    }
  });

  test("what others write does not move a reader, and is counted", async ({ page, browser }) => {
    await open(page, pathOf(key));
    await expect(entry(page, latest)).toBeInViewport();
    await scroller(page).hover();
    await page.mouse.wheel(0, -1500);
    await page.waitForTimeout(200);
    const before = await seen(page);
    const gateway = await Gateway.open(browser);
    for (const text of ["one more", "and another"]) {
      await gateway.call("chat.inject", { sessionKey: key, role: "assistant", message: text });
    }
    await gateway.close();
    await expect(page.getByRole("button", { name: "Jump to the latest message" })).toHaveText(/2 new/);
    expect(await seen(page)).toEqual(before);
    await page.getByRole("button", { name: "Jump to the latest message" }).click();
    await expect(entry(page, "and another")).toBeInViewport();
    await scroller(page).evaluate((list) => (list.scrollTop -= 3000));
    await composer(page).fill("what I send is followed");
    await page.keyboard.press("Enter");
    await expect(mine(page).last()).toBeInViewport();
  });
});

test("the rest of a long message comes in parts", async ({ page, browser }) => {
  const own = sessionKey("cut");
  const gateway = await Gateway.open(browser);
  const text = `${`${"word ".repeat(200)}\n\n`.repeat(600)}THE END`;
  await gateway.call("chat.inject", { sessionKey: own, role: "assistant", message: text });
  await gateway.close();
  await open(page, pathOf(own));
  await page.getByRole("button", { name: "Show the rest" }).click();
  await expect(page.getByRole("button", { name: /Show the rest \(\d+ KB\)/ })).toBeVisible();
  await expect(page.getByText("THE END")).toHaveCount(0);
  await page.getByRole("button", { name: "Show the rest" }).click();
  await expect(page.getByText("THE END")).toBeAttached();
  await expect(page.getByRole("button", { name: "Show the rest" })).toBeHidden();
});
