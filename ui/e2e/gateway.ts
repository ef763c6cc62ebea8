/** A second client beside the page, for what a person at the page cannot do. It speaks JSON from a page of its own. */
import type { Browser, Page } from "@playwright/test";
import { TOKEN } from "./page";

interface Frame {
  id: string;
  ok: boolean;
  payload?: Record<string, unknown>;
  error?: { message: string };
}

export class Gateway {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(browser: Browser): Promise<Gateway> {
    const page = await browser.newPage({ baseURL: process.env.SIMPLECLAW_URL! });
    await page.goto("/favicon.svg");
    const gateway = new Gateway(page);
    await page.evaluate(async () => {
      const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`, "simpleclaw.v1+json");
      await new Promise((done) => (socket.onopen = done));
      (window as unknown as { socket: WebSocket }).socket = socket;
    });
    const client = { id: "e2e", version: "0", platform: "test", mode: "test" };
    await gateway.call("connect", { minProtocol: 1, maxProtocol: 1, client, auth: { token: TOKEN } });
    return gateway;
  }

  async call(method: string, params: object): Promise<Record<string, unknown>> {
    const [answer] = await this.calls(method, [params]);
    return answer!;
  }

  /** One call after the other. */
  calls(method: string, each: object[]): Promise<Record<string, unknown>[]> {
    return this.#page.evaluate(
      async ({ method, each }) => {
        const { socket } = window as unknown as { socket: WebSocket };
        const answers: Record<string, unknown>[] = [];
        for (const params of each) {
          const id = crypto.randomUUID();
          answers.push(
            await new Promise((resolve, reject) => {
              socket.onmessage = ({ data }) => {
                const frame = JSON.parse(String(data)) as Frame;
                if (frame.id !== id) return;
                if (frame.ok) resolve(frame.payload ?? {});
                else reject(new Error(frame.error?.message));
              };
              socket.send(JSON.stringify({ type: "req", id, method, params }));
            }),
          );
        }
        return answers;
      },
      { method, each },
    );
  }

  close(): Promise<void> {
    return this.#page.close();
  }
}
