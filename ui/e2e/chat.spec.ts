import { answers, composer, expect, mine, open, sessionPath, test } from "./page";

test("the guide answers, and the text is seen growing", async ({ page }) => {
  await open(page, sessionPath("stream"));
  await page.evaluate(() => {
    const lengths = ((window as unknown as { lengths: number[] }).lengths = [] as number[]);
    const look = (): void => {
      const text = [...document.querySelectorAll("article.assistant .markdown")].at(-1)?.textContent ?? "";
      if (text.length !== (lengths.at(-1) ?? 0)) lengths.push(text.length);
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await composer(page).fill("What can you do?");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(mine(page)).toContainText("What can you do?");
  await expect(answers(page)).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
  await expect(answers(page).locator(".markdown")).not.toBeEmpty();
  const lengths = await page.evaluate(() => (window as unknown as { lengths: number[] }).lengths);
  expect(lengths.length).toBeGreaterThan(1);
});

test("a suggestion of an empty session starts the conversation", async ({ page }) => {
  await open(page, sessionPath("empty"));
  await expect(page.getByRole("heading", { name: "Say hello" })).toBeVisible();
  await page.getByRole("button", { name: "What can you do?" }).click();
  await expect(mine(page)).toContainText("What can you do?");
  await expect(answers(page)).toHaveCount(1);
});

test("only the keyboard: send, a new line, the session list", async ({ page }) => {
  await open(page, sessionPath("keys"));
  await expect(composer(page)).toBeFocused();
  await page.keyboard.type("first line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await expect(mine(page).locator(".bubble")).toHaveText("first line\nsecond line");
  await expect(composer(page)).toHaveValue("");
  await expect(composer(page)).toBeFocused();
  await expect(answers(page)).toHaveCount(1);
});

test("a reload keeps the history, the draft and the token", async ({ page }) => {
  await open(page, sessionPath("reload"));
  await composer(page).fill("remember this");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
  const answer = await answers(page).locator(".markdown").innerText();
  await composer(page).fill("half a thought");
  await page.reload();
  await expect(mine(page)).toContainText("remember this");
  expect(await answers(page).locator(".markdown").innerText()).toBe(answer);
  await expect(composer(page)).toHaveValue("half a thought");
});

test("a reload in the middle of an answer goes on with it", async ({ page }) => {
  await open(page, sessionPath("middle"));
  await composer(page).fill("What can you do?");
  await page.keyboard.press("Enter");
  await expect(mine(page)).toHaveCount(1);
  await page.reload();
  await expect(mine(page)).toHaveCount(1);
  await expect(answers(page)).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
});

test("Stop ends the answer, and the next message is answered", async ({ page }) => {
  await open(page, sessionPath("stop"));
  await composer(page).fill("/slow What can you do?");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("Stopped.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
  await composer(page).fill("again");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toHaveCount(2);
});

test("without a connection a message waits in its row, and goes out by itself", async ({ page }) => {
  let online = true;
  const sockets: { close: () => void }[] = [];
  await page.routeWebSocket(/\/ws$/, (socket) => {
    if (!online) {
      void socket.close({ code: 4999 });
      return;
    }
    const gateway = socket.connectToServer();
    sockets.push({ close: () => (void gateway.close(), void socket.close({ code: 4999 })) });
  });
  await open(page, sessionPath("offline"));
  online = false;
  for (const socket of sockets) socket.close();
  await expect(page.getByText("Offline", { exact: true })).toBeVisible();
  await composer(page).fill("sent while away");
  await page.keyboard.press("Enter");
  await expect(mine(page)).toContainText("Waits for the connection");
  online = true;
  await expect(page.getByText("Online", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(answers(page)).toHaveCount(1);
  await expect(mine(page)).toHaveCount(1);
  await expect(mine(page)).not.toContainText("Waits");
});

test("a new session is named, opened and listed", async ({ page }) => {
  const name = `Report ${Date.now().toString(36)}`;
  await open(page);
  await page.getByRole("button", { name: "New session" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(name.toLowerCase().replace(" ", "-"));
  await composer(page).fill("hello");
  await page.keyboard.press("Enter");
  await expect(answers(page)).toHaveCount(1);
  const list = page.getByRole("navigation", { name: "Sessions" });
  await expect(list.locator("a[aria-current]")).toBeVisible();
  await page.getByRole("searchbox", { name: "Search sessions" }).fill("no such session");
  await expect(list.getByText("No session matches")).toBeVisible();
});

test("a message from one window shows in another", async ({ page, context }) => {
  const path = sessionPath("two");
  await open(page, path);
  const other = await context.newPage();
  await open(other, path);
  await composer(page).fill("hello from the first window");
  await page.keyboard.press("Enter");
  await expect(mine(other)).toContainText("hello from the first window");
  await expect(answers(other)).toHaveCount(1);
});

test("Markdown in a message of mine is text, and nothing in it acts", async ({ page }) => {
  await open(page, sessionPath("xss"));
  const text = "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1))";
  page.on("dialog", () => expect.soft("a dialog").toBe("not opened"));
  await composer(page).fill(text);
  await page.keyboard.press("Enter");
  await expect(mine(page).locator(".bubble")).toHaveText(text);
  await expect(answers(page)).toHaveCount(1);
  await expect(page.locator("article img, article script")).toHaveCount(0);
});
