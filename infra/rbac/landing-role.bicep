@description('Name of the custom role; unique in the tenant.')
param roleName string
@description('The landing account, which the role is about.')
param restoreAccountName string
@description('Principal of the function app.')
param controlPrincipalId string

var scopeId = resourceGroup().id

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: restoreAccountName
}

resource landingRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(account.id, roleName)
  properties: {
    roleName: roleName
    description: 'Open the landing account to Azure Backup, and shut it again. No keys, no data, no deletion.'
    type: 'CustomRole'
    assignableScopes: [
      scopeId
    ]
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/read'
          'Microsoft.Storage/storageAccounts/write'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, controlPrincipalId, landingRole.id)
  scope: account
  properties: {
    roleDefinitionId: landingRole.id
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}
