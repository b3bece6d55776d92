/** The newest embedded binaries of each major version that is supported, as npm has them. */
export const POSTGRES: Readonly<Record<string, string>> = {
  "14": "14.23.0-beta.17",
  "15": "15.18.0-beta.17",
  "16": "16.14.0-beta.17",
  "17": "17.10.0-beta.17",
  "18": "18.4.0-beta.17",
};

/** The Node versions that are supported; where this process has the same major version, it is taken as it is. */
export const NODE: Readonly<Record<string, string>> = {
  "20": "20.20.2",
  "24": "24.21.0",
};
