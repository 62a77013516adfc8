import { GetParameterCommand, type SSMClient } from "@aws-sdk/client-ssm";
import { StingyError } from "./errors";

/** What SSM may say without a text of its own being repeated: its answers hold secrets. */
const SSM_ERRORS = [
  "AccessDeniedException",
  "ExpiredTokenException",
  "InternalServerError",
  "InvalidKeyId",
  "ThrottlingException",
  "TimeoutError",
  "UnrecognizedClientException",
];

/** @param fix what a person does where there is none */
export async function readParameter(ssm: SSMClient, name: string, fix: string): Promise<string> {
  const value = await ssm.send(new GetParameterCommand({ Name: name, WithDecryption: true })).then(
    ({ Parameter }) => Parameter?.Value?.trim(),
    (error: Error & { $metadata?: { httpStatusCode?: number } }) => {
      if (error.name === "ParameterNotFound") return undefined;
      const status = error.$metadata?.httpStatusCode;
      const reason =
        SSM_ERRORS.find((known) => known === error.name) ?? (status === undefined ? "no answer" : `HTTP ${status}`);
      throw new StingyError(`SSM did not give ${name}: ${reason}.`, { code: "ssm" });
    },
  );
  if (!value)
    throw new StingyError(`Parameter ${name} does not exist or is empty.`, { code: "parameter-missing", fix });
  return value;
}
