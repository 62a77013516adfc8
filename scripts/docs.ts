/** `npm run docs`: rewrites the documents that are made from the code. */
import { writeFileSync } from "node:fs";
import { CLI_FILE, cliReferenceText, REFERENCE_FILE, referenceText } from "./generated";

writeFileSync(REFERENCE_FILE, referenceText());
writeFileSync(CLI_FILE, cliReferenceText());
