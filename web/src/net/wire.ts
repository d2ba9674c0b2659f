import type { Dial } from "./socket";

/** The browser's WebSocket; the cookie of the login goes with it. */
export const browserDial: Dial = (path, events) => {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(url, "gori.v1");
  ws.onopen = () => events.open();
  ws.onmessage = (e) => {
    if (typeof e.data === "string") events.message(e.data);
  };
  ws.onclose = (e) => events.close(e.code);
  return {
    send: (data) => {
      if (ws.readyState === WebSocket.OPEN) ws.send(data);
    },
    close: (code, reason) => {
      if (ws.readyState === WebSocket.CONNECTING || ws.readyState === WebSocket.OPEN) ws.close(code, reason);
    },
  };
};
