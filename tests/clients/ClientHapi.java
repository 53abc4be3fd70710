// What HAPI's client finds and writes at GATEWAY, in JSON and in XML: prints it as JSON.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.ServerValidationModeEnum;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.Enumerations.AdministrativeGender;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;

public class ClientHapi {
    static final FhirContext R4 = FhirContext.forR4();

    public static void main(String[] words) {
        R4.getRestfulClientFactory().setServerValidationMode(ServerValidationModeEnum.NEVER);
        R4.getRestfulClientFactory().setSocketTimeout(30000);
        List<String> answers = new ArrayList<>();
        for (EncodingEnum encoding : List.of(EncodingEnum.JSON, EncodingEnum.XML)) {
            answers.add(reads(encoding));
        }
        System.out.println("{\"json\": " + answers.get(0) + ", \"xml\": " + answers.get(1) + ", \"written\": " + writes() + "}");
    }

    static IGenericClient client(String token, EncodingEnum encoding) {
        IGenericClient client = R4.newRestfulGenericClient(System.getenv("BASE"));
        client.registerInterceptor(new BearerTokenAuthInterceptor(System.getenv(token)));
        client.setEncoding(encoding);
        return client;
    }

    static String reads(EncodingEnum encoding) {
        IGenericClient client = client("READER", encoding);
        String id = System.getenv("PATIENT");
        Patient patient = client.read().resource(Patient.class).withId(id).execute();
        List<String> seen = new ArrayList<>();
        Bundle page = client.search().forResource(Observation.class).where(Observation.PATIENT.hasId(id)).count(1)
                .returnBundle(Bundle.class).execute();
        while (page != null) {
            page.getEntry().stream().filter(each -> each.getResource() instanceof Observation)
                    .forEach(each -> seen.add("\"" + each.getResource().getIdElement().getIdPart() + "\""));
            page = page.getLink(Bundle.LINK_NEXT) == null ? null : client.loadPage().next(page).execute();
        }
        Collections.sort(seen);
        Bundle everything = client.operation().onInstance(new IdType("Patient", id)).named("$everything")
                .withNoParameters(Parameters.class).useHttpGet().returnResourceType(Bundle.class).execute();
        CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
        String missing = "found";
        try {
            client.read().resource(Patient.class).withId("unknown").execute();
        } catch (ResourceNotFoundException error) {
            missing = "not found";
        }
        String refused = "taken";
        try {
            client.search().byUrl("Observation?patient=" + id + "&nonsense=1").returnBundle(Bundle.class).execute();
        } catch (BaseServerResponseException error) {
            refused = error.getMessage();
        }
        return "{\"family\": \"" + patient.getNameFirstRep().getFamily() + "\", \"observations\": " + seen
                + ", \"everything\": " + everything.getEntry().size() + ", \"types\": "
                + statement.getRestFirstRep().getResource().size() + ", \"missing\": \"" + missing + "\", \"refused\": \""
                + refused.replace("\"", "'") + "\"}";
    }

    static String writes() {
        IGenericClient client = client("WRITER", EncodingEnum.JSON);
        Patient patient = new Patient();
        patient.addName().setFamily("Zzclient");
        patient.addIdentifier().setSystem("urn:client").setValue("hapi");
        MethodOutcome made = client.create().resource(patient).conditional()
                .where(Patient.IDENTIFIER.exactly().systemAndCode("urn:client", "hapi")).execute();
        MethodOutcome again = client.create().resource(patient).conditional()
                .where(Patient.IDENTIFIER.exactly().systemAndCode("urn:client", "hapi")).execute();
        patient.setId(made.getId().toUnqualifiedVersionless());
        patient.setGender(AdministrativeGender.FEMALE);
        MethodOutcome updated = client.update().resource(patient).execute();
        Observation observation = new Observation();
        observation.setStatus(Observation.ObservationStatus.FINAL);
        observation.getCode().setText("Seen");
        observation.getSubject().setReference(made.getId().toUnqualifiedVersionless().getValue());
        Bundle bundle = new Bundle();
        bundle.setType(Bundle.BundleType.TRANSACTION);
        bundle.addEntry().setResource(observation).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
        Bundle done = client.transaction().withBundle(bundle).execute();
        return "[" + made.getCreated() + ", " + made.getId().getIdPart().equals(again.getId().getIdPart()) + ", \""
                + updated.getId().getVersionIdPart() + "\", \"" + done.getEntryFirstRep().getResponse().getStatus() + "\"]";
    }
}
