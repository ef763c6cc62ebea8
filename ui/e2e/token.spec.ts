import { TOKEN, composer, expect, expectAccessible, test } from "./page";

test("without a token the page asks, and takes the right one", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Connect to your gateway" })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.type("not a token");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("64 characters");
  await page.getByLabel("Token").fill(`  ${TOKEN}\n`);
  await page.keyboard.press("Enter");
  await expect(composer(page)).toBeVisible();
  await expect(page.getByText("Online", { exact: true })).toBeVisible();
});

test("a wrong token is refused in words, once, and is not kept", async ({ page }) => {
  let sockets = 0;
  page.on("websocket", () => (sockets += 1));
  await page.goto("/");
  await page.getByLabel("Token").fill("0".repeat(64));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("not accepted");
  await page.waitForTimeout(3000);
  expect(sockets).toBe(1);
  expect(await page.evaluate(() => sessionStorage.getItem("simpleclaw.token"))).toBeNull();
});

test("the token leaves the address and the history at once", async ({ page }) => {
  await page.goto(`/#token=${TOKEN}`);
  await expect(page.getByText("Online", { exact: true })).toBeVisible();
  expect(page.url()).not.toContain(TOKEN);
  expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain(TOKEN);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
});

test("no form of foreign endpoint in the address is followed", async ({ page }) => {
  const urls: string[] = [];
  page.on("websocket", (socket) => urls.push(new URL(socket.url()).host));
  const own = new URL(process.env.SIMPLECLAW_URL!).host;
  await page.goto(`/#token=${TOKEN}`);
  for (const path of ["?url=", "?gatewayUrl=", "?ws=", "?endpoint=", "#url=", "#/chat/"]) {
    await page.goto(`/${path}ws://127.0.0.1:9/ws`);
    await page.reload();
    await expect(page.getByText("Online", { exact: true })).toBeVisible();
  }
  expect(new Set(urls)).toEqual(new Set([own]));
});

test("a remembered token outlives the tab", async ({ page, context }) => {
  await page.goto("/");
  await page.getByLabel("Token").fill(TOKEN);
  await page.getByRole("checkbox", { name: "Remember on this browser" }).check();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Online", { exact: true })).toBeVisible();
  const later = await context.newPage();
  await later.goto("/");
  await expect(later.getByText("Online", { exact: true })).toBeVisible();
});
