targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('azd environment name; part of every resource name.')
param environmentName string

@minLength(1)
@description('Region: that of the Backup vault; for cross-region restores the paired one.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@minLength(1)
@description('Resource id of the existing Microsoft.DataProtection/backupVaults resource.')
param backupVaultResourceId string

@description('Put the apps in a virtual network with private endpoints; the host storage is then reached by them alone.')
param vnetEnabled bool = false

@description('Image of the restore worker. azd fills it on deploy; empty uses a public placeholder.')
param workerImage string = ''

@description('Receives operational alerts. Empty disables the e-mail receiver.')
param alertEmail string = ''

@minLength(1)
@description('Servers that may be written to: host or host:port, separated by commas.')
param restoreTargets string

@minValue(1)
@maxValue(365)
@description('Days after which files of the vault are deleted from the landing account.')
param keepFilesDays int = 7

@description('Keep the landing account shut, and open it to Azure Backup only while a vault writes into it.')
param landingGuard bool = false

@description('Allow restores from the copy in the paired region ("source.region"), by a role on the vault\'s resource group.')
param crossRegion bool = false

@description('Resource ids of servers, separated by commas, whose parameters a restore may change for a while ("serverParameters"); empty for none.')
param tunableServers string = ''

@description('Name of the Key Vault secret that reports are signed with; empty for no signature.')
param reportKey string = ''

@description('Rules for restores that alerts start, as JSON; empty for none.')
param restoreRules string = ''

@description('The document of drills itself; empty for the blob drills.yaml in the state container.')
param restoreDrills string = ''

@description('Hosts, or host:port, that may be called back at the end of a restore, separated by commas; empty for none.')
param callbackHosts string = ''

@description('Name of the Key Vault secret that callbacks are signed with.')
param callbackSecret string = ''

@description('Existing subnet for the function app, delegated to Microsoft.App/environments; empty for none or that of vnetEnabled.')
param functionSubnetId string = ''

@description('Existing subnet for workers, delegated to Microsoft.App/environments, that reaches the private servers; empty for none or that of vnetEnabled.')
param workerSubnetId string = ''

@description('Cores of a worker; it has twice as many GiB of memory.')
@allowed([
  '0.5'
  '1.0'
  '2.0'
  '4.0'
])
param workerCores string = '2.0'

@minValue(300)
@description('Seconds after which a worker is ended; another takes its task over.')
param workerTimeoutSeconds int = 14400

@minValue(1)
@description('Workers at the same time.')
param maxWorkers int = 4

var abbrs = loadJsonContent('./abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var tunable = empty(tunableServers) ? [] : split(tunableServers, ',')
var vaultParts = split(backupVaultResourceId, '/')
var queueNames = [
  'restore-tasks'
  'restore-reports'
  'restore-poison'
]
var eventsTopicName = 'restore-events'
var settings = {
  ServiceBusConnection__fullyQualifiedNamespace: bus.outputs.fullyQualifiedNamespace
  LandingStorage__blobServiceUri: storage.outputs.restoreBlobEndpoint
  StateStorage__blobServiceUri: storage.outputs.hostBlobEndpoint
  RESTORE_LANDING_ACCOUNT_ID: storage.outputs.restoreId
  RESTORE_GUARD_TENANT: landingGuard ? tenant().tenantId : ''
  RESTORE_VAULTS: backupVaultResourceId
  RESTORE_TARGETS: restoreTargets
  RESTORE_REPORT_KEY: reportKey
  RESTORE_EVENTS_TOPIC: eventsTopicName
  RESTORE_RULES: restoreRules
  RESTORE_DRILLS: restoreDrills
  RESTORE_CALLBACK_HOSTS: callbackHosts
  RESTORE_CALLBACK_SECRET: callbackSecret
  RESTORE_POLL_SECONDS: '30'
  RESTORE_SETTLE_SECONDS: '10'
  RESTORE_RETRY_SECONDS: '15'
  RESTORE_MAX_ATTEMPTS: '3'
  RESTORE_APPROVAL_HOURS: '24'
  RESTORE_UNDO_HOURS: '72'
  RESTORE_DEADLINE_HOURS: '72'
  RESTORE_KEEP_FILES_HOURS: '0'
  RESTORE_KEEP_FAILED_FILES_HOURS: '72'
  RESTORE_MAX_DATABASES: '8'
  RESTORE_MAX_CONNECTIONS: '256'
  RESTORE_JOBS: '2'
  RESTORE_SCRATCH_BYTES: '2147483648'
  APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
}

resource rg 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbrs.resourcesResourceGroups}${environmentName}'
  location: location
  tags: tags
}

module monitoring 'core/monitoring.bicep' = {
  name: 'monitoring'
  scope: rg
  params: {
    logAnalyticsName: '${abbrs.operationalInsightsWorkspaces}${token}'
    applicationInsightsName: '${abbrs.insightsComponents}${token}'
    location: location
    tags: tags
  }
}

module identities 'core/identities.bicep' = {
  name: 'identities'
  scope: rg
  params: {
    prefix: '${abbrs.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module storage 'core/storage.bicep' = {
  name: 'storage'
  scope: rg
  params: {
    hostAccountName: '${abbrs.storageStorageAccounts}host${token}'
    restoreAccountName: '${abbrs.storageStorageAccounts}rest${token}'
    backupVaultResourceId: backupVaultResourceId
    privateOnlyHost: vnetEnabled
    keepFilesDays: keepFilesDays
    landingGuard: landingGuard
    location: location
    tags: tags
  }
}

module bus 'core/servicebus.bicep' = {
  name: 'servicebus'
  scope: rg
  params: {
    name: '${abbrs.serviceBusNamespaces}${token}'
    queueNames: queueNames
    eventsTopicName: eventsTopicName
    location: location
    tags: tags
  }
}

module registry 'core/registry.bicep' = {
  name: 'registry'
  scope: rg
  params: {
    name: '${abbrs.containerRegistryRegistries}${token}'
    location: location
    tags: tags
  }
}

module passwords 'core/keyvault.bicep' = {
  name: 'passwords'
  scope: rg
  params: {
    name: '${abbrs.keyVaultVaults}${token}'
    location: location
    tags: tags
  }
}

module signing 'core/keyvault.bicep' = {
  name: 'signing'
  scope: rg
  params: {
    name: '${abbrs.keyVaultVaults}sign${token}'
    location: location
    tags: tags
  }
}

module network 'core/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: rg
  params: {
    name: '${abbrs.networkVirtualNetworks}${token}'
    hostStorageId: storage.outputs.hostId
    restoreStorageId: storage.outputs.restoreId
    passwordsId: passwords.outputs.id
    signingId: signing.outputs.id
    location: location
    tags: tags
  }
}

module functionApp 'app/function.bicep' = {
  name: 'function'
  scope: rg
  params: {
    name: '${abbrs.webSitesFunctions}${token}'
    planName: '${abbrs.webServerFarms}${token}'
    serviceName: 'control'
    identityId: identities.outputs.controlId
    identityClientId: identities.outputs.controlClientId
    hostStorageName: storage.outputs.hostName
    deploymentContainerName: storage.outputs.deploymentContainerName
    virtualNetworkSubnetId: empty(functionSubnetId) ? (network.?outputs.functionSubnetId ?? '') : functionSubnetId
    appSettings: union(settings, {
      AZURE_CLIENT_ID: identities.outputs.controlClientId
      RESTORE_KEY_VAULT_URL: signing.outputs.uri
      ServiceBusConnection__credential: 'managedidentity'
      ServiceBusConnection__clientId: identities.outputs.controlClientId
      TICK_SCHEDULE: '*/30 * * * * *'
    })
    location: location
    tags: tags
  }
}

module worker 'app/worker.bicep' = {
  name: 'worker'
  scope: rg
  params: {
    name: '${abbrs.appJobs}${token}'
    environmentName: '${abbrs.appManagedEnvironments}${token}'
    serviceName: 'worker'
    image: workerImage
    identityId: identities.outputs.workerId
    scalerIdentityId: identities.outputs.scalerId
    registryLoginServer: registry.outputs.loginServer
    logAnalyticsName: monitoring.outputs.logAnalyticsName
    serviceBusName: bus.outputs.name
    tasksQueueName: queueNames[0]
    environmentSettings: union(settings, {
      AZURE_CLIENT_ID: identities.outputs.workerClientId
      RESTORE_KEY_VAULT_URL: passwords.outputs.uri
    })
    cores: workerCores
    timeoutSeconds: workerTimeoutSeconds
    maxWorkers: maxWorkers
    infrastructureSubnetId: empty(workerSubnetId) ? (network.?outputs.workerSubnetId ?? '') : workerSubnetId
    location: location
    tags: tags
  }
  dependsOn: [
    roles
  ]
}

module events 'app/events.bicep' = {
  name: 'events'
  scope: rg
  params: {
    topicName: '${abbrs.eventGridSystemTopics}${token}'
    restoreAccountName: storage.outputs.restoreName
    location: location
    tags: tags
  }
}

module roles 'rbac/roles.bicep' = {
  name: 'roles'
  scope: rg
  params: {
    hostAccountName: storage.outputs.hostName
    restoreAccountName: storage.outputs.restoreName
    serviceBusName: bus.outputs.name
    eventsTopicName: eventsTopicName
    registryName: registry.outputs.name
    passwordsVaultName: passwords.outputs.name
    signingVaultName: signing.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    controlPrincipalId: identities.outputs.controlPrincipalId
    workerPrincipalId: identities.outputs.workerPrincipalId
    scalerPrincipalId: identities.outputs.scalerPrincipalId
    topicPrincipalId: events.outputs.principalId
    vaultPrincipalId: restoreRole.outputs.vaultPrincipalId
    deadLetterContainerName: storage.outputs.deadLetterContainerName
  }
}

module landingRole 'rbac/landing-role.bicep' = if (landingGuard) {
  name: 'landing-role'
  scope: rg
  params: {
    roleName: 'Postgres restore landing guard (${token})'
    restoreAccountName: storage.outputs.restoreName
    controlPrincipalId: identities.outputs.controlPrincipalId
  }
}

module serverRole 'rbac/server-role.bicep' = [for (id, number) in tunable: {
  name: 'server-role-${number}'
  scope: resourceGroup(split(trim(id), '/')[2], split(trim(id), '/')[4])
  params: {
    roleName: 'Postgres restore parameters of ${last(split(trim(id), '/'))} (${token})'
    serverName: last(split(trim(id), '/'))
    controlPrincipalId: identities.outputs.controlPrincipalId
  }
}]

module restoreRole 'rbac/restore-role.bicep' = {
  name: 'restore-role'
  scope: resourceGroup(vaultParts[2], vaultParts[4])
  params: {
    roleName: 'Postgres vault restore (${token})'
    backupVaultName: last(vaultParts)
    controlPrincipalId: identities.outputs.controlPrincipalId
  }
}

module crossRegionRole 'rbac/cross-region-role.bicep' = if (crossRegion) {
  name: 'cross-region-role'
  scope: resourceGroup(vaultParts[2], vaultParts[4])
  params: {
    roleName: 'Postgres vault restore from the paired region (${token})'
    controlPrincipalId: identities.outputs.controlPrincipalId
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: rg
  params: {
    actionGroupName: '${abbrs.insightsActionGroups}${token}'
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    serviceBusName: bus.outputs.name
    alertEmail: alertEmail
    location: location
    tags: tags
  }
}

module dashboard 'app/dashboard.bicep' = {
  name: 'dashboard'
  scope: rg
  params: {
    logAnalyticsName: monitoring.outputs.logAnalyticsName
    location: location
    tags: tags
  }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = rg.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
output AZURE_FUNCTION_APP_NAME string = functionApp.outputs.name
output RESTORE_APP string = 'https://${functionApp.outputs.hostName}'
output RESTORE_WORKER_PRINCIPAL_ID string = identities.outputs.workerPrincipalId
output SERVICE_WORKER_NAME string = worker.outputs.name
output RESTORE_STORAGE_ACCOUNT_NAME string = storage.outputs.restoreName
output RESTORE_DEAD_LETTER_CONTAINER string = storage.outputs.deadLetterContainerName
output RESTORE_SYSTEM_TOPIC_NAME string = events.outputs.topicName
output RESTORE_STATE_ACCOUNT_NAME string = storage.outputs.hostName
output RESTORE_KEY_VAULT_NAME string = passwords.outputs.name
output RESTORE_SIGNING_VAULT_NAME string = signing.outputs.name
output SERVICE_BUS_NAMESPACE string = bus.outputs.fullyQualifiedNamespace
