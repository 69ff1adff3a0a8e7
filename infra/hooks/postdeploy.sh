#!/bin/sh
# Subscribes blob_created to the landing account; the function must be there first. Runs any number of times.
set -eu

failed() {
    echo "The event subscription was not created: $1" >&2
    echo "Restores still work, by the timer, only later. Cure the cause, then run: azd hooks run postdeploy" >&2
    exit 1
}

command -v az >/dev/null || failed "expected the Azure CLI (az), found none. Install it and run: az login"
for name in AZURE_RESOURCE_GROUP AZURE_SUBSCRIPTION_ID AZURE_FUNCTION_APP_NAME RESTORE_SYSTEM_TOPIC_NAME \
    RESTORE_STORAGE_ACCOUNT_NAME RESTORE_DEAD_LETTER_CONTAINER; do
    printenv "$name" >/dev/null || failed "expected $name in the environment, found none. Run: azd provision"
done

subscribe() {
    az deployment group create --output none --name blob-created \
        --subscription "$AZURE_SUBSCRIPTION_ID" --resource-group "$AZURE_RESOURCE_GROUP" \
        --template-file "$(dirname "$0")/../subscription.bicep" \
        --parameters functionAppName="$AZURE_FUNCTION_APP_NAME" systemTopicName="$RESTORE_SYSTEM_TOPIC_NAME" \
        restoreAccountName="$RESTORE_STORAGE_ACCOUNT_NAME" deadLetterContainerName="$RESTORE_DEAD_LETTER_CONTAINER"
}

# A function that was just deployed may take a minute to be listed.
tries=4
until subscribe; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] ||
        failed "see the message above; is blob_created in the function app, and are you Contributor of the group?"
    echo "Not yet; another try in ${RETRY_SECONDS:-20} seconds." >&2
    sleep "${RETRY_SECONDS:-20}"
done

echo "blob_created is subscribed. Is all well? ${RESTORE_APP:-https://$AZURE_FUNCTION_APP_NAME.azurewebsites.net}/api/health"
echo "What is left: a login for the worker on each target server (docs/database-login.md), and a first plan (docs/deploy.md)."
