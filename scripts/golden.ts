/** `npm run golden`: rewrites what reviewers read, test/golden: the JSON of the examples and the user data. */
import { writeGolden } from "../test/support/golden";

writeGolden();
