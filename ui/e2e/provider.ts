/** A provider that speaks OpenAI's protocol, answers every question alike or as it was told, and takes one key alone, or none. */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const MODEL = "scripted";

export class Provider {
  readonly #server: Server;
  /** What the next answers are instead, one each: the call of a tool. */
  readonly calls: { name: string; arguments: object }[] = [];

  private constructor(
    server: Server,
    readonly key: string,
  ) {
    this.#server = server;
  }

  static start(): Promise<Provider> {
    return Provider.#listen(0, "sk-good");
  }

  static startFree(): Promise<Provider> {
    return Provider.#listen(0, "");
  }

  /** llama-server where it is by default. */
  static startLocal(): Promise<Provider> {
    return Provider.#listen(8080, "");
  }

  static async #listen(port: number, key: string): Promise<Provider> {
    const server = createServer();
    const provider = new Provider(server, key);
    server.on("request", (request, response) => provider.#answer(request, response));
    await new Promise<void>((done, fail) => server.once("error", fail).listen(port, "127.0.0.1", done));
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((done) => this.#server.close(() => done()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    if (this.key && request.headers.authorization !== `Bearer ${this.key}`) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "Incorrect API key provided.", code: "invalid_api_key" } }));
      return;
    }
    if (request.url?.endsWith("/models")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ object: "list", data: [{ id: MODEL, object: "model", owned_by: "llamacpp" }] }));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
    const call = this.calls.shift();
    const deltas = call ? [{ tool_calls: [called(call)] }] : ["Hello ", "from ", "the provider."].map((content) => ({ content }));
    for (const delta of deltas) response.write(event({ choices: [{ index: 0, delta }] }));
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: call ? "tool_calls" : "stop" }], usage }));
    response.end("data: [DONE]\n\n");
  }
}

function called(call: Provider["calls"][number]): object {
  return { index: 0, id: `call_${randomUUID()}`, type: "function", function: { name: call.name, arguments: JSON.stringify(call.arguments) } };
}

function event(chunk: object): string {
  return `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: MODEL, ...chunk })}\n\n`;
}
