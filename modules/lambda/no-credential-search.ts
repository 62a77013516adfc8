/**
 * Stands in for @aws-sdk/credential-provider-node in the bundles. The functions give their clients Lambda's own
 * credentials (clientConfig in assets/lambda/shared), so that none has to be searched for in files, profiles and servers.
 */
export function defaultProvider(): () => Promise<never> {
  return async () => {
    throw new Error("A client of the AWS SDK was made without credentials: make it with clientConfig().");
  };
}
