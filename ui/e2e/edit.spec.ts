import { answers, ask, composer, expect, expectAccessible, mine, open, sessionPath, test } from "./page";

test.describe("a message of mine", () => {
  test("is edited with the keyboard, and the conversation goes on from there, in every window", async ({ page, context }) => {
    const path = sessionPath("edit");
    await open(page, path);
    await ask(page, "the first question");
    await ask(page, "the second question");
    const other = await context.newPage();
    await open(other, path);
    await expect(mine(other)).toHaveCount(2);

    const edit = mine(page).first().getByRole("button", { name: "Edit message" });
    await edit.focus();
    await page.keyboard.press("Enter");
    const field = page.getByRole("textbox", { name: "Edit the message" });
    await expect(field).toBeFocused();
    await expect(field).toHaveValue("the first question");
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await expect(edit).toBeFocused();
    await page.keyboard.press("Enter");
    await field.fill("a better question");
    await page.keyboard.press("Enter");
    await expect(mine(page)).toHaveCount(1);
    await expect(mine(page)).toContainText("a better question");
    await expect(composer(page)).toBeFocused();
    for (const each of [page, other]) {
      await expect(mine(each)).toHaveCount(1);
      await expect(mine(each)).toContainText("a better question");
      await expect(answers(each)).toHaveCount(1);
    }
    await page.reload();
    await expect(mine(page)).toHaveCount(1);
    await expect(answers(page)).toHaveCount(1);
  });

  test("is edited while it is being answered, which stops that answer", async ({ page }) => {
    await open(page, sessionPath("edit-running"));
    await composer(page).fill("/slow What can you do?");
    await page.keyboard.press("Enter");
    await expect(answers(page)).toHaveCount(1);
    await mine(page).hover();
    await page.getByRole("button", { name: "Edit message" }).click();
    await page.getByRole("textbox", { name: "Edit the message" }).fill("hello instead");
    await page.keyboard.press("Enter");
    await expect(mine(page)).toHaveCount(1);
    await expect(mine(page)).toContainText("hello instead");
    await expect(page.getByRole("button", { name: "Stop" })).toBeHidden();
    await expect(answers(page)).toHaveCount(1);
    await expect(page.getByText("Stopped.")).toBeHidden();
    const text = await answers(page).innerText();
    await page.reload();
    await expect(mine(page)).toHaveCount(1);
    await expect(answers(page)).toHaveCount(1);
    expect((await answers(page).innerText()).slice(0, 40)).toBe(text.slice(0, 40));
  });

  test("is asked again after Stop, and its answer takes the place of the stopped one", async ({ page }) => {
    await open(page, sessionPath("again"));
    await composer(page).fill("/slow What can you do?");
    await page.keyboard.press("Enter");
    await expect(answers(page)).toHaveCount(1);
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByText("Stopped.")).toBeVisible();
    await page.getByRole("button", { name: "Ask again" }).click();
    await expect(page.getByText("Stopped.")).toBeHidden();
    await expect(mine(page)).toHaveCount(1);
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByText("Stopped.")).toBeVisible();
    await expect(answers(page)).toHaveCount(1);
  });
});

test("the model is chosen for a session, and stays chosen", async ({ page }) => {
  const path = sessionPath("model");
  await open(page, path);
  const picker = page.getByRole("combobox", { name: "Model" });
  await expect(picker).toHaveValue("");
  await expect(picker.locator("option").first()).toContainText("Auto");
  await picker.selectOption("builtin/guide");
  await page.reload();
  await expect(picker).toHaveValue("builtin/guide");
  await ask(page, "hello");
  await expect(answers(page)).toContainText("builtin/guide");
  await page.goto(`/${sessionPath("model-other")}`);
  await expect(picker).toHaveValue("");
});
