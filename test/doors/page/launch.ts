/** The browser that all tests of the page share, and what it is told to leave out. */
import { chromium, type Browser } from 'playwright-core'

/**
 * What the browser is told to leave out. Chromium heeds the last such list only, so the first of these are Playwright's
 * own. Then: two pages for each window's address bar, which take a second of a core, and a process kept ready for a
 * site that nobody visits.
 */
const leftOut = [
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'SpareRendererForSitePerProcess',
]

let launched: Promise<Browser> | undefined

/** In this process: a server between it and the browser would handle each message twice. */
export const theBrowser = (): Promise<Browser> =>
  (launched ??= chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', `--disable-features=${leftOut.join()}`],
  }))

export const closeBrowser = async (): Promise<void> => {
  await (await launched)?.close()
}
