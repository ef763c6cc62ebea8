import { answers, ask, expect, expectAccessible, open, sessionPath, test } from "./page";
import { Provider } from "./provider";

let provider: Provider;
test.beforeAll(async () => void (provider = await Provider.start()));
test.afterAll(() => provider.stop());

test("a provider is added step by step: a wrong key is said so before saving, the right one is saved and answers", async ({ page }) => {
  const name = `e2e${Date.now().toString(36)}`;
  await open(page, "#/models");
  await page.getByRole("button", { name: "Add a provider" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a provider" });
  await dialog.getByRole("radio", { name: /Like OpenAI/ }).check();
  await expectAccessible(page);
  await page.keyboard.press("Enter");
  await dialog.getByLabel("Address").fill(provider.url);
  await dialog.getByLabel("API key").fill("sk-bad");
  await dialog.getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await expect(dialog.getByText(/^Does not work/)).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Back" }).click();
  await dialog.getByLabel("API key").fill(provider.key);
  await page.keyboard.press("Enter");
  await expect(dialog.getByText(/^Works/)).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Save" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(dialog.getByText(`${name} is saved and answers.`)).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(dialog).toBeHidden();
  const row = page.getByRole("listitem").filter({ hasText: name });
  await row.getByRole("button", { name: `Test ${name}` }).click();
  await expect(row).toContainText("Works");
  expect(await page.content()).not.toContain(provider.key);
  await row.getByRole("button", { name: `Remove ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(row).toBeHidden();
});

test("a model server that is started later is found, offered, and answers without any setting", async ({ page }) => {
  // It is looked for twice a minute, and waited for twice here.
  test.slow();
  await open(page, "#/models");
  const row = page.getByRole("listitem").filter({ hasText: "llama-server" });
  await expect(page.getByRole("listitem").filter({ hasText: "The built-in guide" })).toBeVisible();
  await expect(row).toBeHidden();
  const server = await Provider.startLocal();
  try {
    await expect(row).toContainText("found on this computer", { timeout: 150_000 });
    await expect(row).toContainText("1 model");
    await row.getByRole("button", { name: "Test llama-server" }).click();
    await expect(row).toContainText("Works");
    await expectAccessible(page);
    await page.goto(`/${sessionPath("found")}`);
    await ask(page, "Who answers now?");
    await expect(answers(page).last()).toContainText("Hello from the provider.");
  } finally {
    await server.stop();
  }
  await page.goto("/#/models");
  await expect(row).toBeHidden({ timeout: 150_000 });
});

test("the catalogue is searched, and says what cannot be used and why", async ({ page }) => {
  await open(page, "#/models");
  const table = page.getByRole("table");
  await expect(table.getByRole("row").nth(1)).toBeVisible();
  await page.getByRole("searchbox", { name: "Search models" }).fill("guide");
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.getByRole("searchbox", { name: "Search models" }).fill("no such model");
  await expect(page.getByText("No model matches.")).toBeVisible();
});
