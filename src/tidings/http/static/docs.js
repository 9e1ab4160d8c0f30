// The routes page: the OpenAPI document, unfolded. Texts are set as text, never as markup.
"use strict";

const here = location.href.replace(/\/docs([#?].*)?$/, "");

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function table(parameters) {
  const rows = parameters.map((one) =>
    element("tr", "",
      element("td", "", element("code", one.name + (one.required ? " *" : ""))),
      element("td", one.in),
      element("td", kind(one.schema)),
      element("td", one.schema.description || "")));
  return element("table", "", ...rows);
}

function kind(schema) {
  if (schema.enum) return schema.enum.join(" | ");
  const bounds = [schema.minimum, schema.maximum].filter((one) => one !== undefined).join("–");
  const fallback = schema.default === undefined ? "" : `, default ${schema.default}`;
  return (schema.format || schema.type || "any") + (bounds ? ` ${bounds}` : "") + fallback;
}

function curl(method, path, operation) {
  const example = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name === "topic" ? "market%3A42" : name));
  const needed = operation.parameters.some((one) => one.name === "user_id" && one.in === "query");
  const words = ["curl"];
  if (method !== "get") words.push("-X", method.toUpperCase());
  if (operation.requestBody) words.push("-H 'content-type: application/json'", "-d '…'");
  if (!operation.security) words.push('-H "authorization: Bearer $KEY"');
  words.push(`'${here}${example}${needed ? "?user_id=bob" : ""}'`);
  return words.join(" ");
}

function answers(responses) {
  return Object.entries(responses).map(([status, one]) => element("li", `${status} ${one.description}`));
}

function article(method, path, operation) {
  const head = element("summary", "", element("span", method.toUpperCase()), element("code", path));
  head.firstChild.className = "method";
  head.append(element("span", ` ${operation.summary}`));
  return element("article", "", element("details", "", head,
    element("p", operation.description),
    table(operation.parameters),
    element("pre", curl(method, path, operation)),
    element("ol", "", ...answers(operation.responses))));
}

function show(paths) {
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      document.getElementById("routes").append(article(method, path, operation));
    }
  }
}

document.getElementById("filter").addEventListener("input", (event) => {
  for (const one of document.querySelectorAll("article")) {
    one.hidden = !one.textContent.toLowerCase().includes(event.target.value.toLowerCase());
  }
});

fetch("openapi.json")
  .then((reply) => reply.json())
  .then((description) => show(description.paths))
  .catch((error) => document.getElementById("routes").append(element("p", String(error))));
