import { signal, type Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ChannelID, Message, Seq } from "../../model/types";

/** What the list of messages and the composer below it share: a channel's timeline, or one of its threads. */
export interface Scene {
  readonly channel: ChannelID;
  /** 0: the timeline. */
  readonly thread: Seq;
  /** The message being answered. */
  readonly reply: Signal<Message | null>;
  /** The message being edited in its place. */
  readonly editing: Signal<Seq | null>;
  /** Goes up to ask the composer for the focus. */
  readonly focus: Signal<number>;
}

export function makeScene(channel: ChannelID, thread: Seq): Scene {
  return { channel, thread, reply: signal(null), editing: signal(null), focus: signal(0) };
}

export const SceneContext = createContext<Scene | null>(null);

export function useScene(): Scene {
  const scene = useContext(SceneContext);
  if (scene === null) throw new Error("no scene around this message");
  return scene;
}
