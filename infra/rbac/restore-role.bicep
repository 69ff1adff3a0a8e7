@description('Name of the custom role; unique in the tenant.')
param roleName string
@description('Name of the Backup vault, of this resource group.')
param backupVaultName string
@description('Principal of the function app\'s identity.')
param controlPrincipalId string

var scopeId = resourceGroup().id

resource backupVault 'Microsoft.DataProtection/backupVaults@2025-07-01' existing = {
  name: backupVaultName
}

resource restoreRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scopeId, roleName)
  properties: {
    roleName: roleName
    description: 'Find recovery points, validate and trigger restores, follow the jobs. No policy, instance or deletion rights.'
    type: 'CustomRole'
    assignableScopes: [
      scopeId
    ]
    permissions: [
      {
        actions: [
          'Microsoft.DataProtection/backupVaults/read'
          'Microsoft.DataProtection/backupVaults/backupInstances/read'
          'Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints/read'
          'Microsoft.DataProtection/backupVaults/backupInstances/validateRestore/action'
          'Microsoft.DataProtection/backupVaults/backupInstances/restore/action'
          'Microsoft.DataProtection/backupVaults/backupInstances/operationResults/read'
          'Microsoft.DataProtection/backupVaults/backupJobs/read'
          'Microsoft.DataProtection/backupVaults/operationResults/read'
          'Microsoft.DataProtection/backupVaults/operationStatus/read'
          'Microsoft.DataProtection/locations/operationResults/read'
          'Microsoft.DataProtection/locations/operationStatus/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(backupVault.id, controlPrincipalId, restoreRole.id)
  scope: backupVault
  properties: {
    roleDefinitionId: restoreRole.id
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}

output vaultPrincipalId string = backupVault.identity.principalId
