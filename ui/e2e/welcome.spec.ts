import { Gateway } from "./gateway";
import { answers, composer, expect, expectAccessible, open, test } from "./page";
import { Provider } from "./provider";

test("from an empty home the guide answers, a key is pasted and tested, and the next answer is real", async ({ page, browser }) => {
  const provider = await Provider.start();
  const gateway = await Gateway.open(browser);
  const { sessions } = (await gateway.call("sessions.list", {})) as { sessions: { messageCount: number }[] };
  const { agents } = (await gateway.call("agents.list", {})) as { agents: { model: { resolved: string } }[] };
  expect(sessions.filter((row) => row.messageCount > 0), "a home that was never used").toEqual([]);
  expect(agents[0]?.model.resolved).toBe("builtin/guide");
  await open(page);
  await expect(page.getByRole("heading", { name: "Welcome to SimpleClaw" })).toBeVisible();
  await expectAccessible(page);
  await composer(page).fill("Who are you?");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The guide answered.")).toBeVisible();
  const steps = page.getByRole("list", { name: "Three steps" });
  await steps.getByRole("radio", { name: /Like OpenAI/ }).check();
  await steps.getByRole("button", { name: "Next" }).click();
  await steps.getByLabel("Address").fill(provider.url);
  await steps.getByLabel("API key").fill(provider.key);
  await steps.getByRole("button", { name: "Next" }).click();
  await expect(steps.getByText(/^Works/)).toBeVisible();
  await steps.getByRole("button", { name: "Save" }).click();
  await expect(steps.getByText("is connected.")).toBeVisible();
  await steps.getByRole("button", { name: "Say hello" }).click();
  await expect(steps.getByRole("button", { name: "Open the chat" })).toBeVisible();
  await expect(answers(page)).toHaveCount(2);
  await expectAccessible(page);
  await steps.getByRole("button", { name: "Open the chat" }).click();
  await expect(composer(page)).toBeVisible();
  // The other tests talk to the guide.
  await gateway.call("config.patch", { patch: { models: { providers: null } } });
  await gateway.close();
  await provider.stop();
});
