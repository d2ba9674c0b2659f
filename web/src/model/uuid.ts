import { asClientMsgID, type ClientMsgID } from "./types";

/** A UUIDv7 (RFC 9562): 48 bits of time, then random. `random` fills bytes; unique without any coordination. */
export function uuidv7(now: number, random: (bytes: Uint8Array) => void): ClientMsgID {
  const b = new Uint8Array(16);
  random(b);
  let ms = Math.max(0, Math.floor(now));
  for (let i = 5; i >= 0; i--) {
    b[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  b[6] = 0x70 | ((b[6] ?? 0) & 0x0f);
  b[8] = 0x80 | ((b[8] ?? 0) & 0x3f);
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  return asClientMsgID(`${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
}
