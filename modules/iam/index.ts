export { type Condition, policyDocument, type Statement, stringEquals } from "./policy";
export { ServiceRole, type ServiceRoleProps } from "./service-role";
