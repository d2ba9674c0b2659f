import { useMemo, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { Dialog } from "../kit/dialog";
import { SearchField } from "../kit/field";
import { Popover, type Anchor } from "../kit/popover";
import { layoutOf } from "../shell/layout";
import { findEmoji, groups } from "./data";
import { recent, used } from "./recent";

interface EmojiPopoverProps {
  readonly anchor: Anchor;
  readonly onPick: (emoji: string) => void;
  readonly onClose: () => void;
  readonly align?: "start" | "end";
}

/** The emoji picker beside its anchor; on phones from the bottom. */
export function EmojiPopover({ anchor, onPick, onClose, align = "end" }: EmojiPopoverProps) {
  const pick = (emoji: string): void => {
    used(emoji);
    onClose();
    onPick(emoji);
  };
  if (layoutOf() === "narrow") {
    return (
      <Dialog kind="sheet" bare title={t("emoji")} onClose={onClose}>
        <EmojiPicker onPick={pick} />
      </Dialog>
    );
  }
  return (
    <Popover anchor={anchor} onClose={onClose} label={t("emoji")} align={align} above>
      <EmojiPicker onPick={pick} />
    </Popover>
  );
}

interface Section {
  readonly title: string;
  readonly emoji: readonly { readonly char: string; readonly name: string }[];
}

function EmojiPicker({ onPick }: { onPick: (emoji: string) => void }) {
  const [query, setQuery] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const sections = useMemo(() => sectionsFor(query), [query]);
  const none = sections.every((section) => section.emoji.length === 0);
  const onKeyDown = (e: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[e.key];
    if (step === undefined || e.isComposing) return;
    const all = Array.from(box.current?.querySelectorAll<HTMLElement>(".emoji-button") ?? []);
    const i = all.indexOf(document.activeElement as HTMLElement);
    if (i < 0 && Math.abs(step) === 1) return;
    e.preventDefault();
    if (i + step < 0) box.current?.querySelector<HTMLElement>("input")?.focus();
    else all[i < 0 ? 0 : Math.min(all.length - 1, i + step)]?.focus();
  };
  return (
    <div ref={box} class="emoji-picker" onKeyDown={onKeyDown}>
      <SearchField
        label={t("emojiSearch")}
        value={query}
        onValue={setQuery}
        autoFocus={layoutOf() !== "narrow"}
        onKeyDown={(e) => {
          const first = sections.find((section) => section.emoji.length > 0)?.emoji[0];
          if (e.key === "Enter" && !e.isComposing && query !== "" && first !== undefined) onPick(first.char);
        }}
      />
      <div class="emoji-scroll">
        {sections.map((section) => (
          <section key={section.title}>
            <h3>{section.title}</h3>
            <div class="emoji-grid">
              {section.emoji.map(({ char, name }) => (
                <button key={char} type="button" class="emoji-button" title={name} aria-label={name} onClick={() => onPick(char)}>
                  {char}
                </button>
              ))}
            </div>
          </section>
        ))}
        {none && <p class="pick-none">{t("emojiNone")}</p>}
      </div>
    </div>
  );
}

function sectionsFor(query: string): readonly Section[] {
  if (query.trim() !== "") {
    return [{ title: t("search"), emoji: findEmoji(query).map((one) => ({ char: one.char, name: one.names.join(" ") })) }];
  }
  const last = recent().map((char) => ({ char, name: char }));
  const all = groups.map((group) => ({ title: t(group.title), emoji: group.emoji.map((one) => ({ char: one.char, name: one.names.join(" ") })) }));
  return last.length === 0 ? all : [{ title: t("emojiRecent"), emoji: last }, ...all];
}
