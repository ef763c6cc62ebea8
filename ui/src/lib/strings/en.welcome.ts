/** The words of the first start. */
import { plural } from "./plural";

export const welcome = {
  welcome: {
    title: "Welcome to SimpleClaw",
    intro: "The guide is already there: write to it, it answers on this computer and needs no account. Connect a model and the same conversation gets real answers.",
    steps: "Three steps",
    choose: "Choose a model",
    local: "On this computer",
    localNone: "Looking for Ollama, llama-server and LM Studio. Start one of them, and it appears here by itself.",
    localFound: (name: string) => `${name} is running`,
    localModels: (count: number) => plural(count, "model", "models"),
    localModel: (name: string) => `Model of ${name}`,
    use: "Use it",
    using: "In use",
    withKey: "With a key",
    connected: (name: string) => `${name} is connected.`,
    another: "Connect another",
    hello: "Say hello",
    helloHint: "The first answer shows that everything works.",
    helloText: "Hello! In one sentence: who are you, and what can you do for me?",
    helloSend: "Say hello",
    helloWait: "Waiting for the answer…",
    done: "Ready",
    doneText: (model: string) => `${model} answered. That is all; the rest can be changed at any time.`,
    guideAnswered: "The guide answered. Choose a model above, and the next answer is real.",
    channelsHint: "Telegram, Discord and other channels can follow later, in the settings.",
    openChat: "Open the chat",
    skip: "Skip for now",
    servers: { ollama: "Ollama", "llama-server": "llama-server", lmstudio: "LM Studio", "lm-studio": "LM Studio" } as Record<string, string>,
  },
};
