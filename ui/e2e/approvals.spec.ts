import type { Browser, Page } from "@playwright/test";
import { Gateway } from "./gateway";
import { answers, composer, expect, expectAccessible, expectFits, open, pathOf, sessionKey, sessionPath, test } from "./page";

const WHY = "A test wants to know.";

/** Asked by a program, as a node would: no model is needed for it. */
async function request(browser: Browser, action: object, key = "agent:main:main", why = WHY): Promise<string> {
  const gateway = await Gateway.open(browser);
  const asked = { why, sessionKey: key, idempotencyKey: crypto.randomUUID(), action };
  const { id } = await gateway.call("exec.approval.request", asked);
  await gateway.close();
  return String(id);
}

const exec = (...argv: string[]) => ({ kind: "exec", argv, program: "/usr/bin/env", network: true });
const script = (lines: number) => ({ kind: "script", script: Array.from({ length: lines }, (_, at) => `echo ${at}`).join("\n") });
const card = (page: Page) => page.getByRole("article", { name: /wants to run/ });
const allow = (page: Page) => page.getByRole("button", { name: "Allow once" });
const deny = (page: Page) => page.getByRole("button", { name: "Deny", exact: true });

/** The window that asks, as a page of a browser. */
async function openDialog(page: Page): Promise<void> {
  await open(page);
  await goToDialog(page);
}

async function goToDialog(page: Page): Promise<void> {
  // From the app's page it would be the same document, which then loads itself anew.
  await page.goto("about:blank");
  await page.goto("/#/approval");
  await expect(page.getByRole("alertdialog")).toBeVisible();
}

test.afterEach(async ({ browser }) => {
  const gateway = await Gateway.open(browser);
  const { approvals } = (await gateway.call("exec.approval.list", {})) as { approvals: { id: string }[] };
  for (const { id } of approvals) await gateway.call("exec.approval.resolve", { id, decision: "deny" });
  await gateway.close();
});

test("the page counts what waits, shows every argument, and denies", async ({ page, browser }) => {
  await open(page, "#/approvals");
  await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
  await request(browser, exec("env", "two words", "", "tail\u202egnp.sh"));
  await expect(page.getByRole("link", { name: "Approvals: 1 approval waiting" })).toBeVisible();
  await expect(page).toHaveTitle("(1) SimpleClaw");
  for (const row of ["/usr/bin/env", "two words", "empty"]) {
    await expect(card(page).getByRole("listitem").filter({ hasText: row })).toBeVisible();
  }
  await expect(card(page)).toContainText("hidden character");
  await expectAccessible(page);
  await deny(page).click();
  await expect(card(page)).toBeHidden();
  await page.getByRole("link", { name: "History" }).click();
  await expect(page.getByText(/^Denied/).first()).toBeVisible();
  await page.getByRole("button", { name: "Check the record" }).click();
  await expect(page.getByText("The record is whole")).toBeVisible();
});

test("what whoever asks says stands apart from the gateway's reasons, and as its own words", async ({ page, browser }) => {
  const said = "It stays within the sandbox, and has no network.";
  await request(browser, { ...exec("env", "claims"), description: "Nothing to see here." }, "agent:main:main", said);
  const reasons = page.getByText("nothing here holds it to what is shown");
  const words = page.getByRole("figure");
  const apart = async (): Promise<void> => {
    await expect(reasons).not.toContainText(said);
    await expect(words).toContainText("Whoever asks says (its own words, not checked)");
    await expect(words.getByRole("blockquote")).toHaveText(`${said} Nothing to see here.`);
    await expect(page.getByText("Agent says")).toBeHidden();
    await expectAccessible(page);
  };
  await open(page, "#/approvals");
  await apart();
  await goToDialog(page);
  await apart();
});

test("in the dialog Deny has the focus, nothing is allowed at once, and Ctrl+Enter allows once", async ({ page, browser }) => {
  await request(browser, exec("env", "one"));
  await openDialog(page);
  await expect(deny(page)).toBeFocused();
  await expect(allow(page)).toBeDisabled();
  await page.keyboard.press("Control+Enter");
  await expect(page.getByRole("alertdialog")).toBeVisible();
  await expect(allow(page)).toBeEnabled();
  await expectAccessible(page);
  await page.keyboard.press("Control+Enter");
  await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
});

test("a long script cannot be allowed before it was seen to its end, by keyboard alone", async ({ page, browser }) => {
  await request(browser, script(120));
  await openDialog(page);
  await expect(page.getByText("Scroll through all of it to allow")).toBeVisible();
  await page.keyboard.press("End");
  await page.waitForTimeout(1000);
  await expect(allow(page)).toBeDisabled();
  await page.keyboard.press("Home");
  for (let at = 0; at < 20; at += 1) {
    await page.keyboard.press("PageDown");
    await page.waitForTimeout(50);
  }
  await expect(allow(page)).toBeEnabled();
});

test("a command cannot be allowed before what stands below it was seen", async ({ page, browser }) => {
  const envNames = Array.from({ length: 60 }, (_, at) => `VARIABLE_${at}`);
  await request(browser, { ...exec("env", "status"), envNames });
  const step = async (scroll: () => Promise<void>): Promise<void> => {
    await scroll();
    await page.waitForTimeout(50);
  };
  // It says so once the time is over in which nothing can be allowed anyway.
  const unseen = async (): Promise<void> => {
    await expect(page.getByText("Scroll through all of it to allow")).toBeVisible();
    await expect(allow(page)).toBeDisabled();
  };
  await open(page, "#/approvals");
  await expect(card(page).getByRole("listitem").filter({ hasText: "status" })).toBeInViewport();
  await unseen();
  await page.mouse.move(640, 400);
  for (let at = 0; at < 12; at += 1) await step(() => page.mouse.wheel(0, 300));
  await expect(allow(page)).toBeEnabled();
  await goToDialog(page);
  await expect(page.getByRole("listitem").filter({ hasText: "status" })).toBeInViewport();
  await unseen();
  for (let at = 0; at < 8; at += 1) await step(() => page.keyboard.press("PageDown"));
  await expect(allow(page)).toBeEnabled();
});

test("the oldest comes first, Escape denies it, and Deny all the rest", async ({ page, browser }) => {
  for (const name of ["first", "second", "third"]) await request(browser, exec("env", name));
  await openDialog(page);
  await expect(page.getByText("1 of 3")).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "first" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("listitem").filter({ hasText: "second" })).toBeVisible();
  await page.getByRole("button", { name: "Deny all" }).click();
  await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
});

test("answered elsewhere, the dialog says how", async ({ page, browser }) => {
  const id = await request(browser, exec("env"));
  await openDialog(page);
  const gateway = await Gateway.open(browser);
  await gateway.call("exec.approval.resolve", { id, decision: "allow-once", surface: "cli" });
  await gateway.close();
  await expect(page.getByRole("heading", { name: /^Allowed once · .*on the command line/ })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Nothing waits for you" })).toBeVisible();
});

test("a question stands in the chat it belongs to, and goes when it is answered", async ({ page, browser }) => {
  const key = sessionKey("asks");
  await open(page, pathOf(key));
  const gateway = await Gateway.open(browser);
  await gateway.call("chat.inject", { sessionKey: key, message: "begins" });
  await gateway.close();
  await request(browser, exec("env", "inline"), key);
  const question = page.getByRole("region", { name: /wants to run/ });
  await expect(question).toContainText("inline");
  await expectAccessible(page);
  await question.getByRole("button", { name: "Deny" }).click();
  await expect(question).toBeHidden();
});

test("the guide asks a real question, and says what became of it", async ({ page }) => {
  await open(page, sessionPath("guide"));
  await composer(page).fill("Show me an approval");
  await page.keyboard.press("Enter");
  const question = page.getByRole("region", { name: /wants to run/ });
  await expect(question).toContainText("You allowed this.");
  await expectAccessible(page);
  await question.getByRole("button", { name: "Deny" }).click();
  await expect(answers(page).last()).toContainText("the question was denied");
  await expect(question).toBeHidden();
});

test("the tester says what would happen, and runs nothing", async ({ page }) => {
  await open(page, "#/approvals/rules");
  await page.getByRole("textbox", { name: "Command" }).fill("ls | sh");
  await page.getByRole("checkbox", { name: "network" }).check();
  await page.getByRole("button", { name: "Try" }).click();
  await expect(page.getByText("It would ask.")).toBeVisible();
  await expectAccessible(page);
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 400]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: 800 } });
      test("nothing sticks out and nothing is found", async ({ page, browser }) => {
        await request(browser, exec("env", "x".repeat(300)));
        const fits = async (): Promise<void> => {
          await expectAccessible(page);
          await expectFits(page);
        };
        await open(page);
        for (const path of ["approvals", "approvals/history", "approvals/rules"]) {
          await page.goto(`/#/${path}`);
          await expect(page.getByRole("heading", { name: "Approvals" })).toBeVisible();
          await fits();
        }
        await goToDialog(page);
        await fits();
      });
    });
  }
}
