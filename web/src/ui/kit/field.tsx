import { Eye, EyeOff, Search } from "lucide-preact";
import type { ComponentChildren, JSX, Ref } from "preact";
import { useId, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { IconButton } from "./button";
import { Icon } from "./icon";

type NativeInput = Omit<JSX.IntrinsicElements["input"], "class" | "label" | "ref" | "value" | "onInput" | "size" | "hint">;

export interface FieldProps extends NativeInput {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
}

/** A line to fill in, with its name above and a hint or a problem below. */
export function Field({ label, value, onValue, hint, problem, type = "text", ...rest }: FieldProps) {
  const id = useId();
  const [shown, show] = useState(false);
  const secret = type === "password";
  const below = problem ?? hint;
  return (
    <div class={problem === undefined ? "field" : "field wrong"}>
      <label for={id}>{label}</label>
      <div class="field-box">
        <input
          {...rest}
          id={id}
          type={secret && shown ? "text" : type}
          value={value}
          onInput={(e) => onValue(e.currentTarget.value)}
          aria-invalid={problem !== undefined}
          {...(below === undefined ? {} : { "aria-describedby": `${id}-below` })}
        />
        {secret && (
          <IconButton small icon={shown ? EyeOff : Eye} label={shown ? t("hidePassword") : t("showPassword")} onClick={() => show(!shown)} />
        )}
      </div>
      {below !== undefined && (
        <p id={`${id}-below`} class="field-below" {...(problem === undefined ? {} : { role: "alert" })}>
          {below}
        </p>
      )}
    </div>
  );
}

export interface SearchFieldProps extends NativeInput {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly el?: Ref<HTMLInputElement>;
}

export function SearchField({ label, value, onValue, el, ...rest }: SearchFieldProps) {
  return (
    <div class="search-field">
      <Icon of={Search} size={18} />
      <input
        {...rest}
        {...(el === undefined ? {} : { ref: el })}
        type="search"
        aria-label={label}
        placeholder={rest.placeholder ?? label}
        value={value}
        onInput={(e) => onValue(e.currentTarget.value)}
        autoComplete="off"
        spellcheck={false}
      />
    </div>
  );
}

export interface Choice<T extends string | number> {
  readonly value: T;
  readonly label: string;
}

/** One of a few, all in sight. */
export function Segmented<T extends string | number>(props: {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly Choice<T>[];
  readonly onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset class="segmented-field">
      <legend>{props.label}</legend>
      <div class="segmented">
        {props.choices.map((choice) => (
          <label key={choice.value} class={choice.value === props.value ? "chosen" : ""}>
            <input class="sr" type="radio" name={name} checked={choice.value === props.value} onChange={() => props.onChange(choice.value)} />
            <span>{choice.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** On or off, at once. */
export function Switch({ label, on, onChange }: { label: ComponentChildren; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <button type="button" class="switch" role="switch" aria-checked={on} onClick={() => onChange(!on)}>
      <span class="grow">{label}</span>
      <span class="switch-track" aria-hidden="true">
        <span class="switch-knob" />
      </span>
    </button>
  );
}
