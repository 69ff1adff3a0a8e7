"""Words that Bicep knows.

Source: learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words("""
    any array base64 base64ToJson base64ToString bool buildUri cidrHost cidrSubnet concat contains
    dataUri dataUriToString dateTimeAdd dateTimeFromEpoch dateTimeToEpoch deployer deployment
    distinct empty endsWith environment extensionResourceId fail filter first flatten format
    getSecret groupBy guid indexOf int intersection items join json last lastIndexOf length like
    loadDirectoryFileInfo loadFileAsBase64 loadJsonContent loadTextContent loadYamlContent
    managementGroup managementGroupResourceId map mapValues max min newGuid objectKeys padLeft
    parseCidr parseUri pickZones providers range readEnvironmentVariable reduce reference replace
    resourceGroup resourceId shallowMerge skip sort split startsWith string subscription
    subscriptionResourceId substring take tenant tenantResourceId toLogicalZone toLower toObject
    toPhysicalZone toUpper trim union uniqueString uri uriComponent uriComponentToString utcNow
""")
GIVE_STRING = _words("""
    base64 format guid join loadTextContent newGuid padLeft replace resourceId string
    subscriptionResourceId substring toLower toUpper trim uniqueString uri utcNow
""")
GIVE_BOOLEAN = _words("bool contains empty endsWith startsWith")
GIVE_INTEGER = _words("indexOf int length")
GIVE_ARRAY = _words("filter items map range split")
LOADERS = _words("loadFileAsBase64 loadJsonContent loadTextContent loadYamlContent")
COMPARISONS = _words("== != && || < > <= >= =~ !~")
DECORATORS = _words("""
    allowed batchSize description discriminator export maxLength maxValue metadata minLength
    minValue onlyIfNotExists retryOn sealed secure waitUntil
""")
NAMESPACES = ("az", "sys")
