import { Gateway } from "./gateway";
import { answers, ask, composer, expect, expectAccessible, open, sessionPath, test } from "./page";
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
  // What its models cost is another list with its name.
  const row = page.getByRole("listitem").filter({ has: page.getByRole("button", { name: "Test llama-server" }) });
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

test("the first page offers a model server that is started later, and its button leads to an answer from it", async ({ page, browser }) => {
  // It is looked for twice a minute, and waited for twice here.
  test.slow();
  const gateway = await Gateway.open(browser);
  const steps = page.getByRole("list", { name: "Three steps" });
  const offer = steps.getByText("llama-server is running");
  let server: Provider | undefined;
  try {
    // Without it the server would be in use as soon as it is found, with no button to press.
    const keyed = { api: "openai", baseUrl: provider.url, apiKey: provider.key };
    await gateway.call("config.patch", { patch: { models: { providers: { keyed } } } });
    await open(page, "#/welcome");
    await expect(steps.getByText(/^Looking for Ollama/)).toBeVisible();
    server = await Provider.startLocal();
    await expect(offer).toBeVisible({ timeout: 150_000 });
    await expectAccessible(page);
    await steps.getByRole("button", { name: "Use it" }).click();
    await expect(steps.getByText("In use", { exact: true })).toBeVisible();
    await composer(page).fill("Who answers now?");
    await page.keyboard.press("Enter");
    await expect(steps.getByText("llama-server/scripted answered.")).toBeVisible();
  } finally {
    await server?.stop();
    // The other tests talk to the guide.
    await gateway.call("config.patch", { patch: { agents: null, models: { providers: null } } });
  }
  await expect(offer).toBeHidden({ timeout: 150_000 });
  const { agents } = (await gateway.call("agents.list", {})) as { agents: { model: { resolved: string } }[] };
  expect(agents[0]?.model.resolved).toBe("builtin/guide");
  await gateway.close();
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
