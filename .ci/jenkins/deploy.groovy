// Production, after somebody has read the plan. Called by the job `deploy`, whose parameter TOPOLOGY says which.
def topology = params.TOPOLOGY
if (!(topology ==~ /[a-z][a-z0-9-]{0,30}/)) {
    error "TOPOLOGY is ${topology}: write the name of a topology in inventories/"
}
stage('plan') {
    node('primetime') {
        checkout scm
        sh "bin/primetime plan -t ${topology}"
    }
}
stage('approve') {
    // On no agent: it may take until somebody has had breakfast.
    timeout(time: 12, unit: 'HOURS') {
        input message: "Deploy ${topology} as planned?", ok: 'Deploy', submitter: 'admin,ops'
    }
}
stage('deploy') {
    node('primetime') {
        checkout scm
        timeout(time: 2, unit: 'HOURS') {
            sh "bin/primetime up -t ${topology} --yes"
            sh "bin/primetime converge -t ${topology}"
            sh "bin/primetime verify -t ${topology}"
        }
    }
}
