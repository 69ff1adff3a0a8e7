@description('Begin of the names of the identities.')
param prefix string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

resource control 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-control'
  location: location
  tags: tags
}

resource worker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-worker'
  location: location
  tags: tags
}

@description('Used only by the KEDA scaler, which needs to read queue runtime properties.')
resource scaler 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${prefix}-scaler'
  location: location
  tags: tags
}

output controlId string = control.id
output controlClientId string = control.properties.clientId
output controlPrincipalId string = control.properties.principalId
output workerId string = worker.id
output workerClientId string = worker.properties.clientId
output workerPrincipalId string = worker.properties.principalId
output scalerId string = scaler.id
output scalerPrincipalId string = scaler.properties.principalId
