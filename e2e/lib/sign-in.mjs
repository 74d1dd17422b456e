// A complete sign-in the way a person does it: consent on our page, the provider's pages, back to the client.

import assert from "node:assert/strict";
import { Browser } from "./browser.mjs";
import { signInAtProvider } from "./provider.mjs";

/**
 * From the authorization URL to the redirect to the client; returns its parameters. `atProvider` goes through the pages of
 * another provider than `oidc-provider`.
 */
export async function signIn({ authorizationUrl, redirectUrl, user = "ada", browser, atProvider = signInAtProvider }) {
  const isClient = (url) => `${url.origin}${url.pathname}` === redirectUrl;
  const person = browser ?? new Browser({ stopAt: isClient });
  const consent = await person.open(authorizationUrl);
  assert.equal(consent.status, 200, consent.text);
  const providersPage = await person.submit(consent, { button: allowButton(consent) });
  const end = await atProvider(person, providersPage, user);
  assert.ok(end.redirectedTo, `the sign-in ended on ${end.url} (${end.status}):\n${end.text}`);
  return end.redirectedTo.searchParams;
}

/** The value of the *Allow* button. */
export function allowButton(page) {
  const buttons = page.forms.flatMap((form) => form.fields).filter((field) => field.tag === "button");
  const allow = buttons.find((button) => button.value === "allow");
  assert.ok(allow, `no button to allow on ${page.url}:\n${page.text}`);
  return allow.value;
}
