@description('Name of the account with the package of the function app and the state of restores.')
param hostAccountName string
@description('Name of the landing account, which Azure Backup restores into.')
param restoreAccountName string
@description('Resource id of the Backup vault, which is let into the landing account.')
param backupVaultResourceId string
@description('Whether the host storage is reached by private endpoints alone.')
param privateOnlyHost bool

@minValue(1)
@maxValue(365)
@description('Days after which files of the vault are deleted, whatever became of their restore.')
param keepFilesDays int

@description('Deploy the landing account shut: the function app opens it while a vault writes.')
param landingGuard bool

@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

var deploymentContainer = 'app-package'
var stateContainer = 'restore-state'
var deadLetterContainer = 'event-dead-letters'

@description('AzureWebJobsStorage, the package of the function app, and the state of restores, which no lifecycle rule may delete.')
resource host 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: take(hostAccountName, 24)
  location: location
  tags: tags
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateOnlyHost ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateOnlyHost ? 'Deny' : 'Allow'
    }
  }

  resource blob 'blobServices' = {
    name: 'default'

    resource package 'containers' = {
      name: deploymentContainer
      properties: {
        publicAccess: 'None'
      }
    }

    resource state 'containers' = {
      name: stateContainer
      properties: {
        publicAccess: 'None'
      }
    }
  }
}

@description('Landing account of Azure Backup restore-as-files: cross-tenant copy and a public endpoint are required by the service.')
resource restore 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: take(restoreAccountName, 24)
  location: location
  tags: tags
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: !landingGuard
    defaultToOAuthAuthentication: true
    isHnsEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateOnlyHost ? 'Deny' : 'Allow'
      resourceAccessRules: landingGuard ? [] : [
        {
          tenantId: tenant().tenantId
          resourceId: backupVaultResourceId
        }
      ]
    }
  }

  resource blob 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: {
        enabled: true
        days: 7
      }
    }

    resource deadLetters 'containers' = {
      name: deadLetterContainer
      properties: {
        publicAccess: 'None'
      }
    }
  }

  resource lifecycle 'managementPolicies' = {
    name: 'default'
    properties: {
      policy: {
        rules: [
          {
            name: 'expire-restores'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: {
                blobTypes: [
                  'blockBlob'
                ]
                prefixMatch: [
                  'restore-'
                ]
              }
              actions: {
                baseBlob: {
                  delete: {
                    daysAfterCreationGreaterThan: keepFilesDays
                  }
                }
              }
            }
          }
          {
            name: 'expire-undelivered-events'
            type: 'Lifecycle'
            enabled: true
            definition: {
              filters: {
                blobTypes: [
                  'blockBlob'
                ]
                prefixMatch: [
                  '${deadLetterContainer}/'
                ]
              }
              actions: {
                baseBlob: {
                  delete: {
                    daysAfterCreationGreaterThan: 30
                  }
                }
              }
            }
          }
        ]
      }
    }
  }
}

output hostId string = host.id
output hostName string = host.name
output deploymentContainerName string = deploymentContainer
output restoreName string = restore.name
output restoreId string = restore.id
output deadLetterContainerName string = deadLetterContainer
output hostBlobEndpoint string = host.properties.primaryEndpoints.blob
output restoreBlobEndpoint string = restore.properties.primaryEndpoints.blob
