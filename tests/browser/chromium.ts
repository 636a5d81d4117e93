// Unpacks the Chromium that the package carries, and prints where it is.
import chromium from "npm:@sparticuz/chromium@153.0.0";

console.log(await chromium.executablePath());
