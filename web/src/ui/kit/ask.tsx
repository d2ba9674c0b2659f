import { signal } from "@preact/signals";
import { t } from "../../i18n/index";
import { Button } from "./button";
import { Dialog } from "./dialog";

interface Question {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly danger?: boolean;
}

const open = signal<(Question & { readonly answer: (yes: boolean) => void }) | null>(null);

/** Asks before something that cannot be taken back. */
export function ask(question: Question): Promise<boolean> {
  open.value?.answer(false);
  return new Promise((resolve) => {
    open.value = {
      ...question,
      answer: (yes) => {
        open.value = null;
        resolve(yes);
      },
    };
  });
}

export function Asking() {
  const question = open.value;
  if (question === null) return null;
  return (
    <Dialog
      title={question.title}
      onClose={() => question.answer(false)}
      footer={
        <>
          <Button tone="quiet" onClick={() => question.answer(false)}>
            {t("cancel")}
          </Button>
          <Button tone={question.danger === true ? "danger" : "accent"} autoFocus onClick={() => question.answer(true)}>
            {question.yes}
          </Button>
        </>
      }
    >
      <p>{question.text}</p>
    </Dialog>
  );
}
