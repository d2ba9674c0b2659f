import { ImageUp, Trash2 } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { Self } from "../../model/types";
import { editProfile, setAvatar } from "../../sync/commands";
import { Avatar } from "../kit/avatar";
import { Button } from "../kit/button";
import { attempt, say } from "../kit/toast";

const most = 4 * 1024 * 1024;
const kinds = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/** A picture of one's own, seen before it is used, or one of twelve colours. */
export function PictureSettings({ self }: { self: Self }) {
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [busy, setBusy] = useState(false);
  const choose = (chosen: File | undefined): void => {
    if (chosen === undefined) return;
    if (!kinds.includes(chosen.type)) return say(t("pictureWrong"), true);
    if (chosen.size > most) return say(t("pictureTooBig"), true);
    setFile(chosen);
  };
  const use = async (image: File | null): Promise<void> => {
    setBusy(true);
    if (await attempt(setAvatar(image), t("saved"))) setFile(null);
    setBusy(false);
  };
  return (
    <div class="picture-settings">
      {file === null ? <Avatar user={self} size="xl" /> : <Preview file={file} />}
      <div class="picture-side">
        <div class="form-actions start">
          {file === null ? (
            <Button small icon={ImageUp} onClick={() => input.current?.click()}>
              {t("pictureUpload")}
            </Button>
          ) : (
            <>
              <Button small tone="accent" busy={busy} onClick={() => void use(file)}>
                {t("pictureUse")}
              </Button>
              <Button small tone="quiet" onClick={() => setFile(null)}>
                {t("cancel")}
              </Button>
            </>
          )}
          {file === null && (self.avatar_version ?? 0) > 0 && (
            <Button small tone="quiet" icon={Trash2} busy={busy} onClick={() => void use(null)}>
              {t("pictureRemove")}
            </Button>
          )}
        </div>
        <Colors chosen={self.avatar_color} />
      </div>
      <input
        ref={input}
        class="sr"
        type="file"
        tabIndex={-1}
        aria-label={t("pictureUpload")}
        accept={kinds.join(",")}
        onChange={(e) => {
          choose(e.currentTarget.files?.[0]);
          e.currentTarget.value = "";
        }}
      />
    </div>
  );
}

/** The chosen picture as it will look. It is drawn, not linked, so that the page's policy needs no blob addresses. */
function Preview({ file }: { file: File }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let live = true;
    createImageBitmap(file).then(
      (image) => {
        const el = canvas.current;
        const side = Math.min(image.width, image.height);
        if (live && el !== null) {
          el.getContext("2d")?.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, el.width, el.height);
        }
        image.close();
      },
      () => say(t("pictureWrong"), true),
    );
    return () => {
      live = false;
    };
  }, [file]);
  return <canvas ref={canvas} class="avatar xl" width={192} height={192} role="img" aria-label={t("picture")} />;
}

function Colors({ chosen }: { chosen: number }) {
  return (
    <div class="colors" role="radiogroup" aria-label={t("color")}>
      {Array.from({ length: 12 }, (_, i) => (
        <button
          key={i}
          type="button"
          role="radio"
          aria-checked={chosen % 12 === i}
          aria-label={t("colorN", i + 1)}
          class={`color face-${i}`}
          onClick={() => void attempt(editProfile({ avatar_color: i }))}
        />
      ))}
    </div>
  );
}
