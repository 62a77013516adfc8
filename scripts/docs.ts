/** `npm run docs`: rewrites the documents that are made from the code. */
import { writeFileSync } from "node:fs";
import { REFERENCE_FILE, referenceText } from "./generated";

writeFileSync(REFERENCE_FILE, referenceText());
