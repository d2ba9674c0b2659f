import type { LucideIcon } from "lucide-preact";
import type { ComponentChildren, JSX, Ref } from "preact";
import { Icon } from "./icon";
import { Mark } from "./mark";

type Native = Omit<JSX.IntrinsicElements["button"], "class" | "ref" | "icon" | "size" | "label">;

export interface ButtonProps extends Native {
  readonly tone?: "plain" | "accent" | "danger" | "quiet";
  readonly icon?: LucideIcon;
  readonly busy?: boolean;
  readonly wide?: boolean;
  readonly small?: boolean;
  readonly children: ComponentChildren;
}

/** A button with words. While busy it keeps its size and turns the mark. */
export function Button({ tone = "plain", icon, busy = false, wide = false, small = false, children, ...rest }: ButtonProps) {
  const name = `button ${tone}${wide ? " wide" : ""}${small ? " small" : ""}`;
  return (
    <button type="button" {...rest} class={name} disabled={busy || rest.disabled === true} aria-busy={busy}>
      {busy ? <Mark size={18} turning /> : icon !== undefined && <Icon of={icon} size={18} />}
      <span>{children}</span>
    </button>
  );
}

export interface IconButtonProps extends Native {
  readonly icon: LucideIcon;
  readonly label: string;
  readonly pressed?: boolean;
  readonly dot?: boolean;
  readonly small?: boolean;
  readonly el?: Ref<HTMLButtonElement>;
}

/** A button that shows only an icon; its label is its name and its tip. */
export function IconButton({ icon, label, pressed, dot = false, small = false, el, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      {...(el === undefined ? {} : { ref: el })}
      class={`icon-button${small ? " small" : ""}`}
      aria-label={label}
      title={label}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
    >
      <Icon of={icon} size={small ? 18 : 20} />
      {dot && <span class="dot corner" />}
    </button>
  );
}
