// Who is logged in here. Views read the read-only signals; only sync uses `writeMe`.
import { computed, signal } from "@preact/signals";
import { DEFAULT_LIMITS, type Limits, type LoginID, type Self, type ServerConfig } from "../model/types";

/** starting: the device looks for what it knows; out: nobody is logged in. */
export type AuthState = "starting" | "out" | "in";
/** Why the last login ended without being asked to. */
export type AuthEnd = "revoked" | "disabled" | "outdated";

const auth = signal<AuthState>("starting");
const ended = signal<AuthEnd | null>(null);
const self = signal<Self | null>(null);
const login = signal<LoginID | null>(null);
const limitsOf = signal<Limits>(DEFAULT_LIMITS);
const server = signal<ServerConfig | null>(null);
const clockSkew = signal(0);

export const authState = computed(() => auth.value);
export const authEnd = computed(() => ended.value);
export const me = computed(() => self.value);
export const loginID = computed(() => login.value);
export const limits = computed(() => limitsOf.value);
/** What `GET /config` said; null until it did. */
export const serverConfig = computed(() => server.value);
/** Server time minus device time, ms; for showing times relative to now. */
export const skew = computed(() => clockSkew.value);

export const writeMe = { auth, ended, self, login, limits: limitsOf, server, skew: clockSkew };
