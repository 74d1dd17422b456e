// People in the dashboard: browsers that collect errors, and the ways to sign in that every test needs.

import assert from "node:assert/strict";
import { checkAccessibility } from "./accessibility.mjs";
import { photograph } from "./chromium.mjs";

export const PASSWORD = "violet harbour ninety";
export const ADA = { name: "Ada Lovelace", email: "ada@example.com" };
export const GRACE = { name: "Grace Hopper", email: "grace@example.com" };

/** The link that `serve` prints as long as there is no account. */
export function setupLink(gateway) {
  const link = gateway.log().match(/http\S+\/account\/setup\/\S+/)?.[0];
  assert.ok(link, `serve printed no setup link:\n${gateway.log()}`);
  return link;
}

/** A browser of one person, and the errors its pages reported. */
export async function person(chromium, options = {}) {
  const context = await chromium.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints = [];
  // The console also reports the status of refused forms and missing pages.
  const isStatus = (message) => /status of (403|404|409|422)/.test(message.text());
  page.on("console", (message) => {
    if (message.type() === "error" && !isStatus(message)) complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

export async function setUp(page, link) {
  await page.goto(link);
  await page.getByLabel("Your name").fill(ADA.name);
  await page.getByLabel("E-mail address").fill(ADA.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByLabel("Name of the first project").fill("Acme production");
  await page.getByRole("button", { name: "Create account and project" }).click();
  await page.getByRole("heading", { name: "Acme production", level: 1 }).waitFor();
}

export async function signIn(page, url, { email }) {
  await page.goto(url);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

export async function invite(page, { email }, role) {
  await page.getByRole("link", { name: "Members" }).first().click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("radio", { name: new RegExp(`^${role}`) }).check();
  await page.getByRole("button", { name: "Create invitation link" }).click();
  return page.locator("#invitation-link").innerText();
}

export async function join(page, link, { name }) {
  await page.goto(link);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Choose a password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account and join" }).click();
  await page.getByText("You are a member of this project now.").waitFor();
}

/** Takes a screenshot of a page in every look, and runs axe on it in both themes. */
export async function look(page, name) {
  await photograph(page, `dashboard-${name}`);
  await checkAccessibility(page, name);
}

/** The first person of a new instance, signed in on the page of her project: her browser and the project's path. */
export async function firstPerson(chromium, gateway, options = {}) {
  const ada = await person(chromium, options);
  await setUp(ada.page, setupLink(gateway));
  return { ...ada, project: new URL(ada.page.url()).pathname };
}

/** A key for the signed-in person's project, to check what the pages created and to create what they need. */
export async function keyFor(page, gateway, project) {
  await page.goto(`${gateway.url}${project}/api-keys`);
  await page.getByLabel("Name", { exact: true }).fill("Tests");
  await page.getByRole("radio", { name: /^Admin/ }).check();
  await page.getByRole("button", { name: "Create key" }).click();
  return page.locator("#api-key").innerText();
}
