// Takes the place of the desktop's browser: a program opens it on an authorization URL, a person allows and signs in, and
// the browser ends on the program's loopback address.

import { signIn } from "../lib/sign-in.mjs";

const authorizationUrl = process.argv.slice(2).find((argument) => argument.startsWith("http"));
const redirectUrl = new URL(authorizationUrl).searchParams.get("redirect_uri");
const answer = await signIn({ authorizationUrl, redirectUrl, user: process.env.E2E_USER ?? "ada" });
await fetch(`${redirectUrl}?${answer}`);
