import { Copy } from "lucide-preact";
import { useMemo } from "preact/hooks";
import { t } from "../../i18n/index";
import { asUserID } from "../../model/types";
import { IconButton } from "../kit/button";
import { copy } from "../conversation/copy";
import { isMe } from "../shell/names";
import { overlay } from "../shell/overlays";
import type { Block, Inline, MentionName } from "./ast";
import { parse } from "./parse";

/** Draws a text's light Markdown as elements. There is no way from a text to HTML. */
export function Markdown({ text, mentions }: { text: string; mentions: readonly MentionName[] }) {
  const blocks = useMemo(() => parse(text, mentions), [text, mentions]);
  return <Blocks of={blocks} />;
}

function Blocks({ of: blocks }: { of: readonly Block[] }) {
  return <>{blocks.map((block, i) => <OneBlock key={i} block={block} />)}</>;
}

function OneBlock({ block }: { block: Block }) {
  switch (block.t) {
    case "p":
      return <p><Inlines of={block.c} /></p>;
    case "heading":
      return <p class="heading"><Inlines of={block.c} /></p>;
    case "code":
      return <Code lang={block.lang} text={block.s} />;
    case "quote":
      return <blockquote><Blocks of={block.c} /></blockquote>;
    case "list": {
      const items = block.items.map((item, i) => <li key={i}><Inlines of={item} /></li>);
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
    }
  }
}

function Code({ lang, text }: { lang: string; text: string }) {
  return (
    <div class="code-block">
      {lang !== "" && <span class="code-lang">{lang}</span>}
      <pre tabIndex={0} aria-label={lang === "" ? undefined : lang}><code>{text}</code></pre>
      <IconButton small icon={Copy} label={t("copyCode")} onClick={() => void copy(text)} />
    </div>
  );
}

function Inlines({ of: inlines }: { of: readonly Inline[] }) {
  return <>{inlines.map((inline, i) => <OneInline key={i} inline={inline} />)}</>;
}

function OneInline({ inline }: { inline: Inline }) {
  switch (inline.t) {
    case "text":
      return <>{inline.s}</>;
    case "code":
      return <code>{inline.s}</code>;
    case "strong":
      return <strong><Inlines of={inline.c} /></strong>;
    case "em":
      return <em><Inlines of={inline.c} /></em>;
    case "del":
      return <del><Inlines of={inline.c} /></del>;
    case "link":
      return <a href={inline.href} target="_blank" rel="noopener noreferrer nofollow ugc" title={inline.href}><Inlines of={inline.c} /></a>;
    case "mention":
      return <Mention user={inline.user} name={inline.s} />;
  }
}

function Mention({ user, name }: { user: string; name: string }) {
  if (user === "*") return <span class="mention me">@{name}</span>;
  const id = asUserID(user);
  return (
    <button type="button" class={isMe(id) ? "mention me" : "mention"} onClick={() => overlay({ is: "profile", user: id })}>
      @{name}
    </button>
  );
}
