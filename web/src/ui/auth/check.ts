import { t } from "../../i18n/index";
import type { Problem } from "../../model/types";

export interface SignupDraft {
  readonly login_name: string;
  readonly display_name: string;
  readonly password: string;
  readonly invite: string;
}

export type SignupProblems = { readonly [K in keyof SignupDraft | "form"]?: string };

/** The letters of a login name: a-z 0-9 . _ - and Hangul syllables. */
const loginName = /^[a-z0-9._\-가-힣]{2,32}$/;

export const isLoginName = (name: string): boolean => loginName.test(name.trim().normalize("NFC").toLowerCase());

/** What is wrong with the form, by field, before the server is asked. */
export function checkSignup(draft: SignupDraft, invited: boolean): SignupProblems {
  return {
    ...(draft.display_name.trim() === "" ? { display_name: t("errEmpty") } : {}),
    ...(isLoginName(draft.login_name) ? {} : { login_name: t("errLoginName") }),
    ...(Array.from(draft.password).length < 8 ? { password: t("errPassword") } : {}),
    ...(invited && draft.invite.trim() === "" ? { invite: t("errInviteNeeded") } : {}),
  };
}

/** The field that the server's answer is about. */
export function placeOfProblem(problem: Problem): keyof SignupProblems {
  switch (problem.code) {
    case "name_taken":
      return "login_name";
    case "invite_needed":
    case "invite_invalid":
      return "invite";
    default:
      return "form";
  }
}
