export { SiteAlarms, type SiteAlarmsProps } from "./alarms";
export { AlertTopic, type AlertTopicProps } from "./alert-topic";
export { SiteDashboard, type SiteDashboardProps } from "./dashboard";
